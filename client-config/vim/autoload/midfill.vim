" The client: one server a Vim, and at most one suggestion on the screen.

let s:ready = 0
" By buffer: the version that the server has, and its lines.
let s:versions = {}
let s:lines = {}
" The suggestions to choose from: an item of the server, the `text` of it that is not in the buffer yet, and how many
" bytes of it are.
let s:choices = []
let s:chosen = 0
" How the server was asked (InlineCompletionTriggerKind): for all that it can suggest, or for one while typing.
let [s:INVOKED, s:AUTOMATIC] = [1, 2]
let s:kind = s:AUTOMATIC
let s:asked = 0
" Where and of what text it was asked last: Vim tells of a typed letter twice.
let s:place = []

function! midfill#open() abort
  let buffer = bufnr()
  if !empty(&buftype) || empty(&filetype) || empty(expand('%')) || has_key(s:versions, buffer)
    return
  endif
  if !exists('s:job')
    call s:start()
  elseif s:ready
    call s:did_open(buffer)
  endif
endfunction

function! s:start() abort
  call prop_type_add('MidfillGhost', {'highlight': 'MidfillGhost'})
  let s:job = job_start(g:midfill_command, {
        \ 'in_mode': 'lsp', 'out_mode': 'lsp', 'err_io': 'null', 'noblock': 1,
        \ 'out_cb': function('s:heard'), 'exit_cb': function('s:ended')})
  if job_status(s:job) !=# 'run'
    return s:tell('The program ' .. g:midfill_command[0] .. ' cannot be started: see g:midfill_command.')
  endif
  let client = {
        \ 'general': {'positionEncodings': ['utf-8']},
        \ 'workspace': {'applyEdit': v:true, 'workspaceEdit': {'documentChanges': v:true, 'resourceOperations': ['create']}},
        \ 'window': {'showDocument': {'support': v:true}},
        \ 'textDocument': {'inlineCompletion': {}},
        \ 'experimental': {'midfill': {'askInstruction': v:true}}}
  call s:request('initialize', {
        \ 'processId': getpid(), 'clientInfo': {'name': 'vim'}, 'rootUri': s:uri(getcwd()), 'capabilities': client,
        \ 'initializationOptions': g:midfill_settings}, function('s:initialized'))
endfunction

function! s:initialized(_) abort
  let s:ready = 1
  call s:notify('initialized', {})
  for buffer in getbufinfo({'bufloaded': 1})
    if empty(getbufvar(buffer.bufnr, '&buftype')) && !empty(getbufvar(buffer.bufnr, '&filetype')) && !empty(buffer.name)
      call s:did_open(buffer.bufnr)
    endif
  endfor
  if mode() =~# '^i'
    let s:place = []
    call midfill#ask()
  endif
endfunction

function! s:ended(_, status) abort
  call midfill#dismiss()
  let s:ready = 0
  unlet s:job
  let s:versions = {}
  call prop_type_delete('MidfillGhost')
  if a:status
    call s:tell('The server has ended (' .. a:status .. '). Open a file to start it again.')
  endif
endfunction

" Documents

function! s:did_open(buffer) abort
  let s:versions[a:buffer] = 1
  let s:lines[a:buffer] = getbufline(a:buffer, 1, '$')
  call s:notify('textDocument/didOpen', {'textDocument': {
        \ 'uri': s:uri(fnamemodify(bufname(a:buffer), ':p')), 'languageId': s:language(getbufvar(a:buffer, '&filetype')),
        \ 'version': 1, 'text': join(s:lines[a:buffer], "\n") .. "\n"}})
endfunction

function! s:language(filetype) abort
  return get({'sh': 'shellscript', 'cs': 'csharp', 'javascript.jsx': 'javascriptreact'}, a:filetype, a:filetype)
endfunction

" Tell the server of the lines that have changed since it was told last.
function! s:sync(buffer) abort
  let old = s:lines[a:buffer]
  let new = getbufline(a:buffer, 1, '$')
  if old ==# new
    return
  endif
  let top = 0
  let shorter = min([len(old), len(new)])
  while top < shorter && old[top] ==# new[top]
    let top += 1
  endwhile
  let bottom = 0
  while bottom < shorter - top && old[-1 - bottom] ==# new[-1 - bottom]
    let bottom += 1
  endwhile
  let text = join(map(new[top : len(new) - bottom - 1], 'v:val .. "\n"'), '')
  let s:versions[a:buffer] += 1
  let s:lines[a:buffer] = new
  call s:notify('textDocument/didChange', {
        \ 'textDocument': {'uri': s:uri(fnamemodify(bufname(a:buffer), ':p')), 'version': s:versions[a:buffer]},
        \ 'contentChanges': [{'text': text, 'range': {
        \   'start': {'line': top, 'character': 0}, 'end': {'line': len(old) - bottom, 'character': 0}}}]})
endfunction

function! midfill#close(buffer) abort
  if has_key(s:versions, a:buffer)
    call remove(s:versions, a:buffer)
    call remove(s:lines, a:buffer)
    if s:ready
      call s:notify('textDocument/didClose', {'textDocument': {'uri': s:uri(fnamemodify(bufname(a:buffer), ':p'))}})
    endif
  endif
endfunction

" Suggestions

" What a key of insert mode comes to; where it has nothing to do, `otherwise`.
function! midfill#key(name, otherwise) abort
  let wanted = midfill#shown() || index(['next', 'previous'], a:name) >= 0 && s:ready && has_key(s:versions, bufnr())
  return wanted ? "\<Cmd>call midfill#" .. a:name .. "()\<CR>" : a:otherwise
endfunction

function! midfill#ask() abort
  let place = s:here()
  if place == s:place
    return
  endif
  call midfill#dismiss()
  let s:place = place
  call s:ask(s:AUTOMATIC, '')
endfunction

function! s:here() abort
  return [bufnr(), b:changedtick, line('.'), col('.')]
endfunction

" `avoid` is the text that is shown, for which another one is wanted.
function! s:ask(kind, avoid) abort
  let buffer = bufnr()
  if !s:ready || !has_key(s:versions, buffer)
    return
  endif
  call s:sync(buffer)
  let s:asked += 1
  call s:request('textDocument/inlineCompletion', {
        \ 'textDocument': {'uri': s:uri(expand('%:p'))}, 'position': s:cursor(), 'context': {'triggerKind': a:kind}},
        \ function('s:answered', [s:asked, s:here(), a:kind, a:avoid]))
endfunction

function! s:answered(asked, place, kind, avoid, items) abort
  let late = a:asked != s:asked || a:place != s:here() || mode() !=# 'i' || pumvisible()
  if late || type(a:items) != v:t_list || empty(a:items)
    return
  endif
  let choices = map(a:items, '{"item": v:val, "text": v:val.insertText, "used": 0}')
  let others = filter(range(len(choices)), 'choices[v:val].text !=# a:avoid')
  let s:kind = a:kind
  call s:show(choices, get(others, 0, 0))
  call s:notify('textDocument/didShowCompletion', {'item': s:choices[s:chosen].item})
endfunction

" Draw one of the choices where the cursor is.
function! s:show(choices, chosen) abort
  call prop_remove({'type': 'MidfillGhost', 'all': v:true})
  let [s:choices, s:chosen] = [a:choices, a:chosen]
  let choice = s:choices[s:chosen]
  let [first; rest] = split(choice.text, "\n", 1)
  let column = col('.')
  for part in s:around(first, strpart(getline('.'), column - 1, s:replaces(choice)))
    if !empty(part)
      call prop_add(line('.'), column, {'type': 'MidfillGhost', 'text': part})
    endif
    let column += 1
  endfor
  for line in rest
    call prop_add(line('.'), 0, {'type': 'MidfillGhost', 'text': empty(line) ? ' ' : line, 'text_align': 'below'})
  endfor
  if !empty(rest)
    " Vim 9.0 draws the line below twice, else.
    redraw!
  endif
endfunction

" The bytes behind the cursor, all of them closing brackets, that a choice brings itself.
function! s:replaces(choice) abort
  return a:choice.item.range.end.character - a:choice.item.range.start.character
endfunction

" What of a text goes before, between and behind the brackets that it stands in place of.
function! s:around(text, covered) abort
  let [parts, left] = [[], a:text]
  for bracket in reverse(split(a:covered, '\zs'))
    let at = strridx(left, bracket)
    if at >= 0
      call insert(parts, strpart(left, at + 1))
      let left = strpart(left, 0, at)
    endif
  endfor
  return insert(parts, left)
endfunction

function! midfill#shown() abort
  return !empty(s:choices)
endfunction

function! midfill#dismiss() abort
  let s:asked += 1
  let s:place = []
  if midfill#shown()
    let s:choices = []
    call prop_remove({'type': 'MidfillGhost', 'all': v:true})
  endif
endfunction

function! midfill#accept() abort
  call s:accept({text -> text})
endfunction

" A word, or the signs before the next one, and the space before it.
function! midfill#accept_word() abort
  call s:accept({text -> matchstr(text, '^\_s*\%(\%(\w\|[^\x01-\x7f]\)\+\|\%(\w\@![!-~]\)\+\)')})
endfunction

" What is left of the line, or else the line below.
function! midfill#accept_line() abort
  call s:accept({text -> matchstr(text, "^\n\\=[^\n]*")})
endfunction

" Insert the beginning of the suggestion, as an undo step of its own, and go on showing what is left of it.
function! s:accept(Beginning) abort
  if !midfill#shown()
    return
  endif
  let [choices, chosen, kind] = [s:choices, s:chosen, s:kind]
  let choice = choices[chosen]
  let start = a:Beginning(choice.text)
  let start = empty(start) ? choice.text : start
  let whole = start ==# choice.text
  call midfill#dismiss()
  let range = {'start': s:cursor(), 'end': s:cursor()}
  let range.end.character += whole ? s:replaces(choice) : 0
  let &l:undolevels = &l:undolevels
  call cursor(s:edit(bufnr(), range, start))
  if whole
    if has_key(choice.item, 'command')
      call s:request('workspace/executeCommand', {
            \ 'command': choice.item.command.command, 'arguments': choice.item.command.arguments}, {_ -> 0})
    endif
    return midfill#ask()
  endif
  let s:place = s:here()
  let s:kind = kind
  call s:sync(bufnr())
  let left = filter(copy(choices), {_, each -> len(each.text) > len(start) && stridx(each.text, start) == 0})
  let same = index(left, choice)
  call map(left, {_, each -> {
        \ 'item': each.item, 'text': strpart(each.text, len(start)), 'used': each.used + len(start)}})
  call s:show(left, same)
  call s:notify('textDocument/didPartiallyAcceptCompletion', {
        \ 'item': choice.item, 'acceptedLength': s:utf16(strpart(choice.item.insertText, 0, left[same].used))})
endfunction

" The length of a text in UTF-16 units.
function! s:utf16(text) abort
  let letters = str2list(a:text)
  return len(letters) + len(filter(letters, 'v:val > 0xFFFF'))
endfunction

function! midfill#next() abort
  call s:cycle(1)
endfunction

function! midfill#previous() abort
  call s:cycle(-1)
endfunction

" Show another suggestion, or ask for one where none is shown.
function! s:cycle(step) abort
  if !midfill#shown()
    let s:place = s:here()
    call s:ask(s:INVOKED, '')
  elseif s:kind == s:AUTOMATIC
    " What is shown while typing is one suggestion; asking makes more of them.
    call s:ask(s:INVOKED, s:choices[s:chosen].text)
  elseif len(s:choices) > 1
    call s:show(s:choices, (s:chosen + a:step + len(s:choices)) % len(s:choices))
    call s:notify('textDocument/didShowCompletion', {'item': s:choices[s:chosen].item})
  endif
endfunction

" Edits

" Whether the server knows this buffer; says so where it does not.
function! s:knows() abort
  if !s:ready || !has_key(s:versions, bufnr())
    call s:tell(exists('s:job') && !s:ready ? 'The server is not ready yet.' : 'The server does not know this buffer.')
    return 0
  endif
  call s:sync(bufnr())
  return 1
endfunction

function! midfill#actions() abort
  if !s:knows()
    return
  endif
  call s:request('textDocument/codeAction', {
        \ 'textDocument': {'uri': s:uri(expand('%:p'))}, 'range': {'start': s:cursor(), 'end': s:cursor()},
        \ 'context': {'diagnostics': []}}, function('s:choose'))
endfunction

function! s:choose(actions) abort
  if empty(a:actions)
    return s:tell('There is nothing to do here.')
  endif
  call popup_menu(map(copy(a:actions), 'v:val.title'), {'callback': {_, chosen -> s:chosen(a:actions, chosen)}})
endfunction

function! s:chosen(actions, chosen) abort
  if a:chosen < 1
    return
  endif
  let action = a:actions[a:chosen - 1]
  let command = type(action.command) == v:t_dict ? action.command : action
  if command.command ==# 'midfill.askInstruction'
    let instruction = input('What should change? ')
    if !empty(instruction)
      call s:execute('midfill.refactor', [extend({'instruction': instruction}, command.arguments[0], 'keep')])
    endif
  else
    call s:execute(command.command, command.arguments)
  endif
endfunction

function! midfill#refactor(first, last, instruction) abort
  if !s:knows()
    return
  endif
  let [start, end] = a:first == a:last ? [s:cursor(), s:cursor()]
        \ : [{'line': a:first - 1, 'character': 0}, {'line': a:last, 'character': 0}]
  call s:execute('midfill.refactor', [
        \ {'uri': s:uri(expand('%:p')), 'range': {'start': start, 'end': end}, 'instruction': a:instruction}])
endfunction

function! s:execute(command, arguments) abort
  call s:tell('At work ...')
  call s:request('workspace/executeCommand', {'command': a:command, 'arguments': a:arguments},
        \ {result -> s:tell(type(result) == v:t_dict && !empty(get(result, 'reason')) ? result.reason : 'Done.')})
endfunction

function! midfill#why() abort
  if !s:knows()
    return
  endif
  call s:request('midfill/explain', {'textDocument': {'uri': s:uri(expand('%:p'))}},
        \ {told -> s:tell(empty(told) ? 'Nothing was asked for yet.'
        \   : join(filter([told.outcome, told.reason, told.message], 'type(v:val) == v:t_string'), ': '))})
endfunction

" Make an edit of the server's; returns where its end is.
function! s:edit(buffer, range, text) abort
  let start = a:range.start
  let end = a:range.end
  let lines = getbufline(a:buffer, 1, '$') + ['']
  let before = strpart(lines[start.line], 0, start.character)
  let new = split(before .. a:text, "\n", 1)
  let place = [start.line + len(new), len(new[-1]) + 1]
  let new[-1] ..= strpart(lines[end.line], end.character)
  " Behind the last line stands one that is none.
  let beyond = end.line == len(lines) - 1
  if beyond && empty(new[-1])
    call remove(new, -1)
  endif
  let old = min([end.line, len(lines) - 2]) - start.line + 1
  let common = min([old, len(new)])
  call setbufline(a:buffer, start.line + 1, new[: common - 1])
  if len(new) > common
    call appendbufline(a:buffer, start.line + common, new[common :])
  elseif old > common
    call deletebufline(a:buffer, start.line + common + 1, start.line + old)
  endif
  return place
endfunction

function! s:apply(edit) abort
  for change in get(a:edit, 'documentChanges', [])
    if has_key(change, 'kind')
      " A file to create comes into being when it is written.
      call s:open(change.uri)
    else
      call s:apply_to(change.textDocument.uri, change.edits)
    endif
  endfor
  for [uri, edits] in items(get(a:edit, 'changes', {}))
    call s:apply_to(uri, edits)
  endfor
endfunction

function! s:apply_to(uri, edits) abort
  let buffer = bufadd(s:path(a:uri))
  call bufload(buffer)
  for each in reverse(sort(copy(a:edits), {one, other -> one.range.start.line - other.range.start.line}))
    call s:edit(buffer, each.range, each.newText)
  endfor
  if has_key(s:versions, buffer)
    call s:sync(buffer)
  endif
endfunction

" Show a file beside the one that the user is in.
function! s:open(uri) abort
  if mode() !~# '^n'
    stopinsert
  endif
  execute 'botright split' fnameescape(s:path(a:uri))
  wincmd p
endfunction

" The wire

function! s:request(method, params, Then) abort
  call ch_sendexpr(s:job, {'method': a:method, 'params': a:params},
        \ {'callback': {_, answer -> has_key(answer, 'error') ? s:tell(answer.error.message) : a:Then(get(answer, 'result', v:null))}})
endfunction

function! s:notify(method, params) abort
  call ch_sendexpr(s:job, {'method': a:method, 'params': a:params})
endfunction

function! s:heard(_, message) abort
  let method = get(a:message, 'method', '')
  if method ==# 'window/showMessage'
    call s:tell(a:message.params.message)
  elseif has_key(a:message, 'id')
    let result = v:null
    if method ==# 'workspace/applyEdit'
      call s:apply(a:message.params.edit)
      let result = {'applied': v:true}
    elseif method ==# 'window/showDocument'
      call s:open(a:message.params.uri)
      let result = {'success': v:true}
    elseif method ==# 'workspace/configuration'
      let result = map(copy(a:message.params.items), 'g:midfill_settings')
    endif
    " ch_sendexpr() answers numbered requests only.
    let answer = json_encode({'jsonrpc': '2.0', 'id': a:message.id, 'result': result})
    call ch_sendraw(s:job, 'Content-Length: ' .. len(answer) .. "\r\n\r\n" .. answer)
  endif
endfunction

function! s:cursor() abort
  return {'line': line('.') - 1, 'character': col('.') - 1}
endfunction

" A URI has bytes where a name has letters.
function! s:uri(path) abort
  let Escaped = {letter -> join(map(range(len(letter)), 'printf("%%%02X", char2nr(strpart(letter, v:val, 1)))'), '')}
  return 'file://' .. substitute(a:path, '[^A-Za-z0-9/._~-]', {found -> Escaped(found[0])}, 'g')
endfunction

function! s:path(uri) abort
  let path = substitute(a:uri, '^file://', '', '')
  return substitute(path, '%\(\x\x\)', {found -> eval('"\x' .. found[1] .. '"')}, 'g')
endfunction

function! s:tell(message) abort
  " What is still to be drawn would be drawn over it.
  redraw
  echomsg 'Midfill: ' .. a:message
  return 0
endfunction
