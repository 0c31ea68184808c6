; A later pattern wins over an earlier one for the same name.

(function_declaration name: (identifier) @name (function_body)? @body) @definition.function

(class_body (function_declaration name: (identifier) @name (function_body)? @body) @definition.method)

(enum_class_body (function_declaration name: (identifier) @name (function_body)? @body) @definition.method)

[
  (class_declaration name: (identifier) @name [(class_body) (enum_class_body)]? @body)
  (object_declaration name: (identifier) @name (class_body)? @body)
  (companion_object name: (identifier) @name (class_body)? @body)
  (type_alias type: (identifier) @name)
] @definition.class
