; A later pattern wins over an earlier one for the same code.

((script_element (raw_text) @injection.content)
  (#set! injection.language "javascript"))

((style_element (raw_text) @injection.content)
  (#set! injection.language "css"))

; While it is not closed, it is in an error.

((ERROR (start_tag (tag_name) @_tag) . (raw_text) @injection.content)
  (#match? @_tag "(?i)^script$")
  (#set! injection.language "javascript"))

((ERROR (start_tag (tag_name) @_tag) . (raw_text) @injection.content)
  (#match? @_tag "(?i)^style$")
  (#set! injection.language "css"))

; By the type that the tag tells.

((script_element
  (start_tag
    (attribute
      (attribute_name) @_name
      (quoted_attribute_value (attribute_value) @_type)))
  (raw_text) @injection.content)
  (#eq? @_name "type")
  (#match? @_type "json|importmap|speculationrules")
  (#set! injection.language "json"))

((script_element
  (start_tag
    (attribute
      (attribute_name) @_name
      (quoted_attribute_value (attribute_value) @_type)))
  (raw_text) @injection.content)
  (#eq? @_name "type")
  (#match? @_type "template|html")
  (#set! injection.language "html"))

((script_element
  (start_tag
    (attribute
      (attribute_name) @_name
      (quoted_attribute_value (attribute_value) @_type)))
  (raw_text) @injection.content)
  (#any-of? @_name "type" "lang")
  (#match? @_type "typescript|^ts$")
  (#set! injection.language "typescript"))
