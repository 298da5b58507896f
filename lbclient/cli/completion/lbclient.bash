# Completion of lbclient for bash: lbclient itself says what can stand at the cursor.

_lbclient() {
    local word directive
    COMPREPLY=()
    while IFS= read -r word; do
        if [[ -z $directive ]]; then
            directive=$word
        else
            COMPREPLY+=("$word")
        fi
    done < <("${1/#\~/$HOME}" __complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
    case $directive in
        :open) compopt -o nospace 2>/dev/null ;;
        :files) compopt -o default -o filenames 2>/dev/null ;;
    esac
}

complete -F _lbclient lbclient
