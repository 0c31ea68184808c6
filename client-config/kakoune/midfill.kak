# Midfill by kakoune-lsp: source this behind `eval %sh{kak-lsp}`.

declare-option -docstring 'the program that is the server' str midfill_command midfill
declare-option -docstring 'the languages in which Midfill runs' str-list midfill_filetypes \
    python javascript typescript go rust java c cpp ruby php sh lua kotlin sql html css json yaml toml markdown

# Behind the servers that kakoune-lsp starts by itself, which are set by another hook of the same option.
hook -group midfill global BufSetOption filetype=(.+) %{
    evaluate-commands %sh{
        for each in $kak_opt_midfill_filetypes; do
            if [ "$each" = "$kak_hook_param_capture_1" ]; then
                printf 'set-option -add buffer lsp_servers %%{\n%s\n}\n' "
[midfill]
root_globs = [\".git\", \".hg\"]
command = \"$kak_opt_midfill_command\"
args = [\"serve\"]
"
            fi
        done
    }
}
