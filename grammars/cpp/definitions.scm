; A later pattern wins over an earlier one for the same name; the widest range wins always.
; The name stands inside the declarators that make the type: f, *f, &f, **f. A name in parentheses is that of a
; function pointer, a variable.

((function_definition
   declarator: [
     (function_declarator declarator: (_) @name)
     (_ (function_declarator declarator: (_) @name))
     (_ (_ (function_declarator declarator: (_) @name)))
   ]
   body: (_)? @body) @definition.function
  (#not-match? @name "^\\("))

; A prototype, as in a header.
((declaration
   declarator: [
     (function_declarator declarator: (_) @name)
     (_ (function_declarator declarator: (_) @name))
     (_ (_ (function_declarator declarator: (_) @name)))
   ]) @definition.function
  (#not-match? @name "^\\("))

(field_declaration_list
  [
    (function_definition
      declarator: [
        (function_declarator declarator: (_) @name)
        (_ (function_declarator declarator: (_) @name))
        (_ (_ (function_declarator declarator: (_) @name)))
      ]
      body: (_)? @body)
    (field_declaration
      declarator: [
        (function_declarator declarator: (_) @name)
        (_ (function_declarator declarator: (_) @name))
        (_ (_ (function_declarator declarator: (_) @name)))
      ])
    (declaration
      declarator: [
        (function_declarator declarator: (_) @name)
        (_ (function_declarator declarator: (_) @name))
        (_ (_ (function_declarator declarator: (_) @name)))
      ])
  ] @definition.method
  (#not-match? @name "^\\("))

(template_declaration
  [
    (function_definition
      declarator: [
        (function_declarator declarator: (_) @name)
        (_ (function_declarator declarator: (_) @name))
        (_ (_ (function_declarator declarator: (_) @name)))
      ]
      body: (_)? @body)
    (declaration
      declarator: [
        (function_declarator declarator: (_) @name)
        (_ (function_declarator declarator: (_) @name))
        (_ (_ (function_declarator declarator: (_) @name)))
      ])
  ]
  (#not-match? @name "^\\(")) @definition.function

(field_declaration_list
  (template_declaration
    [
      (function_definition
        declarator: [
          (function_declarator declarator: (_) @name)
          (_ (function_declarator declarator: (_) @name))
          (_ (_ (function_declarator declarator: (_) @name)))
        ]
        body: (_)? @body)
      (declaration
        declarator: [
          (function_declarator declarator: (_) @name)
          (_ (function_declarator declarator: (_) @name))
          (_ (_ (function_declarator declarator: (_) @name)))
        ])
    ]) @definition.method
  (#not-match? @name "^\\("))

[
  (class_specifier name: (_) @name body: (_) @body)
  (struct_specifier name: (_) @name body: (_) @body)
  (union_specifier name: (_) @name body: (_) @body)
  (enum_specifier name: (_) @name body: (_) @body)
  (namespace_definition name: (_) @name body: (_) @body)
  (concept_definition name: (_) @name)
] @definition.class

(template_declaration
  [
    (class_specifier name: (_) @name body: (_) @body)
    (struct_specifier name: (_) @name body: (_) @body)
    (union_specifier name: (_) @name body: (_) @body)
    (concept_definition name: (_) @name)
  ]) @definition.class
