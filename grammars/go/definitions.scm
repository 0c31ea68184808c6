; The widest range wins for one name.

(function_declaration name: (identifier) @name body: (block)? @body) @definition.function

(method_declaration name: (field_identifier) @name body: (block)? @body) @definition.method

(type_declaration . (type_spec name: (type_identifier) @name type: (_) @body) .) @definition.class

; One of several in `type ( ... )`.
(type_spec name: (type_identifier) @name type: (_) @body) @definition.class

(method_elem name: (field_identifier) @name) @definition.method
