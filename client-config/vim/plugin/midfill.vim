" Midfill for Vim 9: see README.md.

if exists('g:loaded_midfill') || !has('patch-9.0.1067')
  finish
endif
let g:loaded_midfill = 1
let g:midfill_command = get(g:, 'midfill_command', ['midfill', 'serve'])
let g:midfill_settings = get(g:, 'midfill_settings', {})

highlight default MidfillGhost ctermfg=DarkGray guifg=#808080

command! -bar MidfillActions call midfill#actions()
command! -nargs=+ -range=0 MidfillRefactor call midfill#refactor(<count> ? <line1> : line('.'), <count> ? <line2> : line('.'), <q-args>)
command! -bar MidfillWhy call midfill#why()

augroup midfill
  autocmd!
  autocmd BufEnter,FileType * call midfill#open()
  autocmd TextChangedI,CursorMovedI * call midfill#ask()
  autocmd InsertLeave,BufLeave * call midfill#dismiss()
  autocmd BufUnload * call midfill#close(str2nr(expand('<abuf>')))
augroup END

" The key does what it did before where nothing is suggested.
if empty(maparg('<Tab>', 'i'))
  inoremap <expr> <Tab> midfill#shown() ? "\<Cmd>call midfill#accept()\<CR>" : "\<Tab>"
endif
