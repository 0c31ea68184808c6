; A later pattern wins over an earlier one for the same name.

(function_item name: (_) @name body: (block) @body) @definition.function

[
  (struct_item name: (type_identifier) @name body: (_)? @body)
  (enum_item name: (type_identifier) @name body: (_) @body)
  (union_item name: (type_identifier) @name body: (_) @body)
  (trait_item name: (type_identifier) @name body: (_) @body)
  (type_item name: (type_identifier) @name type: (_) @body)
  (mod_item name: (identifier) @name body: (declaration_list) @body)
  (impl_item type: (_) @name body: (declaration_list) @body)
  (macro_definition name: (identifier) @name)
] @definition.class

(impl_item body: (declaration_list
  (function_item name: (_) @name body: (block) @body) @definition.method))

(trait_item body: (declaration_list
  (function_item name: (_) @name body: (block) @body) @definition.method))

; In an extern block, or in a trait.
(function_signature_item name: (_) @name) @definition.function

(trait_item body: (declaration_list
  (function_signature_item name: (_) @name) @definition.method))
