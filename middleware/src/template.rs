//! [`UrlTemplate`]: what the path of a request looks like without what varies.

use std::borrow::Cow;

/// Template of the path of a request, such as `/orders/{id}`: an extension of an `http::Request`, by which its span is named.
///
/// A span can't be named by its path, which is different for each order; by its template, spans of the same kind have the
/// same name. It is read only where spans are made. Requests of reqwest have no extensions that others can reach.
///
/// ```
/// use poolscope::UrlTemplate;
///
/// let request = http::Request::get("http://pay.example/orders/17").extension(UrlTemplate::new("/orders/{id}")).body(());
/// # request.unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate(Cow<'static, str>);

impl UrlTemplate {
    /// A template; it names what varies in braces.
    #[must_use]
    pub fn new(template: impl Into<Cow<'static, str>>) -> Self {
        Self(template.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
