; A later pattern wins over an earlier one for the same code.

; Not in a quotation, where every line has a mark.
((fenced_code_block
  (fenced_code_block_delimiter)
  (info_string (language) @injection.language) @injection.opening
  .
  (block_continuation)? @_margin
  (fenced_code_block_delimiter)? @injection.closing) @injection.content
  (#not-match? @_margin ">"))

((minus_metadata) @injection.content
  (#set! injection.language "yaml"))

((plus_metadata) @injection.content
  (#set! injection.language "toml"))
