"""Applications of other frameworks within ours, over real servers, and other adapters beside ours."""
