package main

import (
	"context"
	"fmt"
)

// completions are the scripts by shell. Each passes the words up to the cursor to gofs
// itself, which knows the commands and the names of volumes and peers.
var completions = map[string]string{
	"bash": `# bash completion for gofs: gofs completion bash > /etc/bash_completion.d/gofs
_gofs() {
    local line=${COMP_LINE:0:COMP_POINT} cur i
    local -a words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cur=${words[${#words[@]}-1]}
    COMPREPLY=()
    while IFS= read -r i; do
        COMPREPLY+=("$i")
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    # Readline takes the part after the last colon for the word.
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
    fi
}
complete -F _gofs gofs
`,
	"zsh": `#compdef gofs
# zsh completion for gofs: gofs completion zsh > a directory of $fpath, as _gofs
_gofs() {
    local -a found
    found=("${(@f)$(gofs __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -a found
}
# As a file of $fpath this is the function's body at its first call.
if [[ $funcstack[1] == _gofs ]]; then
    _gofs
else
    compdef _gofs gofs
fi
`,
	"fish": `# fish completion for gofs: gofs completion fish > ~/.config/fish/completions/gofs.fish
function __gofs_complete
    set -l words (commandline -opc)
    gofs __complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c gofs -f -a '(__gofs_complete)'
`,
}

// completion prints a shell's script.
func (c *cli) completion(_ context.Context, args []string) error {
	if len(args) != 1 || completions[args[0]] == "" {
		return usage{}
	}
	fmt.Fprint(c.stdout, completions[args[0]])
	return nil
}
