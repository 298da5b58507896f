# Completion of lbclient for fish: lbclient itself says what can stand at the cursor.

function __lbclient_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command $typed[1] __complete fish $typed[2..-1] "$current" 2>/dev/null </dev/null)
    if test "$lines[1]" = :files
        __fish_complete_path "$lines[2]"
    else
        printf '%s\n' $lines[2..-1]
    end
end

complete -c lbclient -f -a '(__lbclient_complete)'
