; A later pattern wins over an earlier one for the same name; the widest range wins always.

(method name: (_) @name body: (_)? @body) @definition.function

(singleton_method name: (_) @name body: (_)? @body) @definition.method

(body_statement (method name: (_) @name body: (_)? @body) @definition.method)

; private def name
(body_statement
  (call arguments: (argument_list . (method name: (_) @name body: (_)? @body) .)) @definition.method)

[
  (class name: (_) @name body: (_)? @body)
  (module name: (_) @name body: (_)? @body)
] @definition.class

; Point = Struct.new(:x) do ... end
(assignment
  left: (constant) @name
  right: (call method: (identifier) @_new block: (_) @body)
  (#any-of? @_new "new" "define")) @definition.class
