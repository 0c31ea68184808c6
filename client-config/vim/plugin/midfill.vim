" Midfill for Vim 9: see README.md.

if exists('g:loaded_midfill') || !has('patch-9.0.1067')
  finish
endif
let g:loaded_midfill = 1
let g:midfill_command = get(g:, 'midfill_command', ['midfill', 'serve'])
let g:midfill_settings = get(g:, 'midfill_settings', {})
let g:midfill_keys = extend({
      \ 'accept': '<Tab>', 'accept_word': '<M-Right>', 'accept_line': '<M-C-Right>',
      \ 'next': '<M-Down>', 'previous': '<M-Up>', 'dismiss': '<C-]>'}, get(g:, 'midfill_keys', {}))

highlight default MidfillGhost ctermfg=DarkGray guifg=#808080

command! -bar MidfillActions call midfill#actions()
command! -nargs=+ -range=0 MidfillRefactor call midfill#refactor(<count> ? <line1> : line('.'), <count> ? <line2> : line('.'), <q-args>)
command! -bar MidfillWhy call midfill#why()

augroup midfill
  autocmd!
  autocmd BufEnter,FileType * call midfill#open()
  autocmd TextChangedI,CursorMovedI * call midfill#ask()
  autocmd InsertLeave,BufLeave,TextChangedP * call midfill#dismiss()
  autocmd BufUnload * call midfill#close(str2nr(expand('<abuf>')))
augroup END

" A key does what it did before where it has nothing to do; those that were mapped already are left alone.
for [s:name, s:key] in items(g:midfill_keys)
  if !empty(s:key) && empty(maparg(s:key, 'i'))
    let s:otherwise = '"' .. substitute(s:key, '<', '\\<lt>', 'g') .. '"'
    execute 'inoremap <expr>' s:key 'midfill#key("' .. s:name .. '",' s:otherwise .. ')'
  endif
endfor
