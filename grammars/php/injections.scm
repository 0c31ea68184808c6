; What stands before and between the PHP tags. A text without any is PHP that lacks its tag, as in many fences.

((program (text) @injection.content . (php_tag))
  (#set! injection.language "html"))

((text_interpolation (php_end_tag) (text) @injection.content)
  (#set! injection.language "html"))
