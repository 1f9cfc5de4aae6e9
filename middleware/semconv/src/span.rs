//! Span names.
//!
//! A request span is named by its method alone, as the HTTP convention asks where no template of the path is known.

/// Name of a request span whose method is not known to the convention.
pub const HTTP_OTHER: &str = "HTTP";
