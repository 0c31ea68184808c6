; A later pattern wins over an earlier one for the same name; the widest range wins always.

[
  (function_declaration name: (identifier) @name body: (statement_block) @body)
  (generator_function_declaration name: (identifier) @name body: (statement_block) @body)
] @definition.function

; const name = () => ...
(lexical_declaration
  (variable_declarator
    name: (identifier) @name
    value: [
      (arrow_function body: (_) @body)
      (function_expression body: (_) @body)
      (generator_function body: (_) @body)
    ])) @definition.function

(variable_declaration
  (variable_declarator
    name: (identifier) @name
    value: [
      (arrow_function body: (_) @body)
      (function_expression body: (_) @body)
      (generator_function body: (_) @body)
    ])) @definition.function

; exports.name = function () {...}
(expression_statement
  (assignment_expression
    left: [(identifier) @name (member_expression property: (property_identifier) @name)]
    right: [
      (arrow_function body: (_) @body)
      (function_expression body: (_) @body)
      (generator_function body: (_) @body)
    ])) @definition.function

(class_declaration name: (type_identifier) @name body: (class_body) @body) @definition.class

(method_definition
  name: [(property_identifier) (private_property_identifier) (string) (number) (computed_property_name)] @name
  body: (statement_block) @body) @definition.method

; handler = () => {...} in a class
(class_body
  (public_field_definition
    name: (_) @name
    value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @definition.method)

(export_statement
  declaration: [
    (function_declaration name: (identifier) @name body: (statement_block) @body)
    (generator_function_declaration name: (identifier) @name body: (statement_block) @body)
  ]) @definition.function

(export_statement
  declaration: (class_declaration name: (type_identifier) @name body: (class_body) @body)) @definition.class

(export_statement
  declaration: (lexical_declaration
    (variable_declarator
      name: (identifier) @name
      value: [
        (arrow_function body: (_) @body)
        (function_expression body: (_) @body)
        (generator_function body: (_) @body)
      ]))) @definition.function

(abstract_class_declaration name: (type_identifier) @name body: (class_body) @body) @definition.class
(interface_declaration name: (type_identifier) @name body: (interface_body) @body) @definition.class
(enum_declaration name: (identifier) @name body: (enum_body) @body) @definition.class
(type_alias_declaration name: (type_identifier) @name value: (_) @body) @definition.class
(internal_module name: (_) @name body: (statement_block) @body) @definition.class

[
  (function_signature name: (identifier) @name)
] @definition.function

[
  (method_signature name: (_) @name)
  (abstract_method_signature name: (_) @name)
] @definition.method

(export_statement
  declaration: [
    (abstract_class_declaration name: (type_identifier) @name body: (class_body) @body)
    (interface_declaration name: (type_identifier) @name body: (interface_body) @body)
    (enum_declaration name: (identifier) @name body: (enum_body) @body)
    (type_alias_declaration name: (type_identifier) @name value: (_) @body)
    (internal_module name: (_) @name body: (statement_block) @body)
  ]) @definition.class

(export_statement declaration: (function_signature name: (identifier) @name)) @definition.function

(ambient_declaration [
  (class_declaration name: (type_identifier) @name body: (class_body) @body)
  (abstract_class_declaration name: (type_identifier) @name body: (class_body) @body)
  (interface_declaration name: (type_identifier) @name body: (interface_body) @body)
  (enum_declaration name: (identifier) @name body: (enum_body) @body)
  (internal_module name: (_) @name body: (statement_block) @body)
  (module name: (_) @name body: (statement_block) @body)
]) @definition.class

(ambient_declaration (function_signature name: (identifier) @name)) @definition.function

(export_statement declaration: (ambient_declaration [
  (class_declaration name: (type_identifier) @name body: (class_body) @body)
  (abstract_class_declaration name: (type_identifier) @name body: (class_body) @body)
  (interface_declaration name: (type_identifier) @name body: (interface_body) @body)
  (enum_declaration name: (identifier) @name body: (enum_body) @body)
  (internal_module name: (_) @name body: (statement_block) @body)
])) @definition.class

(export_statement
  declaration: (ambient_declaration (function_signature name: (identifier) @name))) @definition.function
