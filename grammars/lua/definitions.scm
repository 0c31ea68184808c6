; A later pattern wins over an earlier one for the same name; the widest range wins always.

(function_declaration name: [(identifier) (dot_index_expression)] @name body: (_)? @body) @definition.function

(function_declaration name: (method_index_expression) @name body: (_)? @body) @definition.method

; M.name = function() ... end
(assignment_statement
  (variable_list . name: (_) @name .)
  (expression_list . value: (function_definition body: (_)? @body) .)) @definition.function

; local name = function() ... end
(variable_declaration
  (assignment_statement
    (variable_list . name: (_) @name .)
    (expression_list . value: (function_definition body: (_)? @body) .))) @definition.function

; name = function() ... end in a table
(field name: (identifier) @name value: (function_definition body: (_)? @body)) @definition.method
