#compdef lbclient
# Completion of lbclient for zsh: lbclient itself says what can stand at the cursor.

_lbclient() {
    local line directive program=${(Q)words[1]}
    local -a typed lines candidates texts suffix
    (( CURRENT > 2 )) && typed=("${(@Q)words[2,CURRENT-1]}")
    lines=("${(@f)$(${program/#\~/$HOME} __complete zsh "${typed[@]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
    directive=$lines[1]
    if [[ $directive == :files ]]; then
        _files
        return
    fi
    for line in "${(@)lines[2,-1]}"; do
        candidates+=("${line%%$'\t'*}")
        texts+=("${${line/$'\t'/  -- }%  -- }")
    done
    (( $#candidates )) || return 1
    [[ $directive == :open ]] && suffix=(-S '')
    compadd -l -d texts -M 'm:{[:lower:]}={[:upper:]}' "${suffix[@]}" -- "${candidates[@]}"
}

if [[ $funcstack[1] == _lbclient ]]; then
    _lbclient "$@"  # zsh has read this as a file of $fpath
else
    compdef _lbclient lbclient
fi
