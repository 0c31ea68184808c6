[
  (class_declaration name: (identifier) @name body: (_) @body)
  (interface_declaration name: (identifier) @name body: (_) @body)
  (enum_declaration name: (identifier) @name body: (_) @body)
  (record_declaration name: (identifier) @name body: (_) @body)
  (annotation_type_declaration name: (identifier) @name body: (_) @body)
] @definition.class

[
  (method_declaration name: (identifier) @name body: (block)? @body)
  (constructor_declaration name: (identifier) @name body: (_) @body)
  (compact_constructor_declaration name: (identifier) @name body: (_) @body)
] @definition.method
