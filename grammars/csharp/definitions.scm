; A later pattern wins over an earlier one for the same name.

[
  (class_declaration name: (identifier) @name body: (_)? @body)
  (struct_declaration name: (identifier) @name body: (_)? @body)
  (record_declaration name: (identifier) @name body: (_)? @body)
  (interface_declaration name: (identifier) @name body: (_) @body)
  (enum_declaration name: (identifier) @name body: (_) @body)
  (delegate_declaration name: (identifier) @name)
  (namespace_declaration name: (_) @name body: (_) @body)
] @definition.class

[
  (method_declaration name: (identifier) @name body: (_)? @body)
  (constructor_declaration name: (identifier) @name body: (_)? @body)
  (destructor_declaration name: (identifier) @name body: (_)? @body)
  (property_declaration name: (identifier) @name accessors: (_)? @body)
] @definition.method

(local_function_statement name: (identifier) @name body: (_) @body) @definition.function

; A method among top-level statements is a function.
(global_statement (local_function_statement name: (identifier) @name body: (_) @body)) @definition.function
