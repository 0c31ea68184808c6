(function_definition name: (name) @name body: (compound_statement) @body) @definition.function

(method_declaration name: (name) @name body: (compound_statement)? @body) @definition.method

[
  (class_declaration name: (name) @name body: (_) @body)
  (interface_declaration name: (name) @name body: (_) @body)
  (trait_declaration name: (name) @name body: (_) @body)
  (enum_declaration name: (name) @name body: (_) @body)
] @definition.class

; $name = function () {...}
(expression_statement
  (assignment_expression
    left: (variable_name (name) @name)
    right: [(anonymous_function body: (_) @body) (arrow_function body: (_) @body)])) @definition.function
