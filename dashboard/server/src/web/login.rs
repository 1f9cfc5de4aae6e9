//! The page to log in: a form, a style sheet, and no script.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use poolscope_wire::path;

use super::body;
use crate::access::{Asker, LoginRule};
use crate::api::ApiFailure;
use crate::app::App;
use crate::conn::Peer;

/// The style sheet of the page.
pub(super) const STYLE: &str = "/login.css";
/// The icon, which is the dashboard's.
pub(super) const ICON: &str = "/favicon.svg";
/// A form with a token and an address is far smaller.
const MAX_FORM_BYTES: usize = 8 * 1024;
/// Where a login leads if nobody says.
const HOME: &str = "/";

/// The page to log in that leads back to an address.
pub(super) fn address(to: &Uri) -> String {
    let to = to.path_and_query().map_or(HOME, PathAndQuery::as_str);
    if to == HOME {
        return path::LOGIN.to_owned();
    }
    let encoded: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("{}?return={encoded}", path::LOGIN)
}

/// An address within this dashboard; anything else is taken for its first page, so that no link can lead elsewhere.
/// Browsers read `\` as `/` and skip tabs and line breaks.
fn own_address(to: Option<&str>) -> &str {
    let is_own = |to: &&str| {
        to.starts_with('/')
            && !to.starts_with("//")
            && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
            && ![path::LOGIN, path::LOGOUT].iter().any(|login| to.starts_with(login))
    };
    to.filter(is_own).unwrap_or(HOME)
}

pub(super) fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static(HOME));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// The fields of a query or a form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Form {
    token: Option<String>,
    to: Option<String>,
}

impl Form {
    fn parse(encoded: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(encoded) {
            match &*name {
                "t" | "token" => form.token = Some(value.trim().to_owned()),
                "return" => form.to = Some(value.into_owned()),
                _ => {}
            }
        }
        form
    }
}

/// `GET /login`: the page, or with a token in the query the login itself, which is how the printed link works.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let form = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
    let to = own_address(form.to.as_deref());
    let Some(rule) = app.access.login() else { return redirect(to) };
    match &form.token {
        Some(token) => enter(rule, token, to, peer),
        None if rule.visit(request.headers()).is_some() => redirect(to),
        None => ask(StatusCode::OK, to, None),
    }
}

/// `POST /login`: the form.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    if Asker::of(request.headers()) != Asker::Here {
        return foreign();
    }
    let is_form = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes().split(|byte| *byte == b';').next() == Some(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        let sentence = "the login takes a form: application/x-www-form-urlencoded";
        return ApiFailure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence).into_response();
    }
    let Some(body) = body::small(request.into_body(), MAX_FORM_BYTES).await else {
        let sentence = "the form is too large, or did not arrive";
        return ApiFailure::new(StatusCode::PAYLOAD_TOO_LARGE, sentence).into_response();
    };
    let form = Form::parse(&body);
    let to = own_address(form.to.as_deref());
    match app.access.login() {
        Some(rule) => enter(rule, form.token.as_deref().unwrap_or_default(), to, peer),
        None => redirect(to),
    }
}

/// `POST /logout`. Where a browser hides who asks, the cookie tells: it is sent for our own pages only.
pub(super) async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if Asker::of(&headers) == Asker::Elsewhere {
        return foreign();
    }
    let Some(rule) = app.access.login() else { return redirect(HOME) };
    let Some(session) = rule.session(&headers) else { return redirect(path::LOGIN) };
    rule.sessions.close(session);
    with_cookie(redirect(path::LOGIN), &rule.set_cookie("", Duration::ZERO))
}

fn foreign() -> Response {
    let sentence = "this was sent by a page of another site; use the dashboard itself";
    ApiFailure::new(StatusCode::FORBIDDEN, sentence).into_response()
}

fn enter(rule: &LoginRule, token: &str, to: &str, Peer(from): Peer) -> Response {
    match rule.try_token(token, from) {
        Ok(true) => match rule.sessions.open() {
            Ok(session) => with_cookie(redirect(to), &rule.set_cookie(&session, rule.sessions.life)),
            Err(error) => {
                tracing::error!(%error, "no login can be made");
                let sentence = "this system has no random numbers to make a login with";
                ApiFailure::new(StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
            }
        },
        Ok(false) => {
            ask(StatusCode::UNAUTHORIZED, to, Some("This is not the token. Copy it again, all of it."))
        }
        Err(wait) => {
            let seconds = wait.as_secs() + 1;
            let sentence =
                format!("Too many wrong tokens came from your address. Try again in {seconds} seconds.");
            let mut response = ask(StatusCode::TOO_MANY_REQUESTS, to, Some(&sentence));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn html(status: StatusCode, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        // A page that hides where it is can't send a form that is known to be ours: browsers then say `Origin: null`.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, page).into_response()
}

/// Asks for the token.
fn ask(status: StatusCode, to: &str, problem: Option<&str>) -> Response {
    let to = escaped(to);
    let (described, problem) = match problem {
        Some(problem) => (
            "problem where",
            format!("<p class=\"problem\" id=\"problem\" role=\"alert\">{}</p>\n", escaped(problem)),
        ),
        None => ("where", String::new()),
    };
    let title = if problem.is_empty() { "Log in" } else { "Log in again" };
    html(
        status,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{title} · Poolscope</title>\n<link rel=\"icon\" href=\"{ICON}\" type=\"image/svg+xml\">\n\
             <link rel=\"stylesheet\" href=\"{STYLE}\">\n</head>\n<body>\n<main>\n\
             <p class=\"brand\"><img src=\"{ICON}\" alt=\"\" width=\"24\" height=\"24\">Poolscope</p>\n\
             <h1>Log in</h1>\n{problem}\
             <form method=\"post\" action=\"{login}\">\n\
             <input name=\"username\" value=\"poolscope\" autocomplete=\"username\" hidden>\n<label for=\"token\">Token</label>\n\
             <input id=\"token\" name=\"token\" type=\"password\" required autofocus autocomplete=\"current-password\" \
             autocapitalize=\"none\" spellcheck=\"false\" aria-describedby=\"{described}\">\n\
             <input type=\"hidden\" name=\"return\" value=\"{to}\">\n<button>Log in</button>\n</form>\n\
             <p class=\"where\" id=\"where\">The dashboard printed a link with the token when it started, on the line \
             that begins with <code>login</code>. Opening that link logs you in as well.</p>\n\
             </main>\n</body>\n</html>\n",
            login = path::LOGIN,
        ),
    )
}

/// A page that follows a link once more: then it is this site that leads there, and the cookie is sent.
pub(super) fn once_more(to: &Uri) -> Response {
    let to = escaped(own_address(to.path_and_query().map(PathAndQuery::as_str)));
    html(
        StatusCode::OK,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"refresh\" content=\"0; url={to}\">\n\
             <title>Poolscope</title>\n<link rel=\"stylesheet\" href=\"{STYLE}\">\n</head>\n<body>\n<main>\n\
             <p><a href=\"{to}\">Go on to the dashboard</a></p>\n</main>\n</body>\n</html>\n"
        ),
    )
}

/// Text that can stand in HTML, between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a text does not fail.
                let _ = write!(safe, "&#{};", u32::from(character));
            }
            other => safe.push(other),
        }
    }
    safe
}

/// `GET /login.css`.
pub(super) async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let headers =
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    (headers, include_str!("login.css")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_this_dashboard_and_nowhere_else() {
        for own in ["/", "/pools/0a?window=5m&x=%2F%2Fevil", "/breakers"] {
            assert_eq!(own_address(Some(own)), own);
        }
        for elsewhere in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "",
            "/\t/evil.example",
            "\\/evil",
            "/\n/evil",
            "/ /evil",
            "javascript:alert(1)",
            "/login?return=/",
            "/logout",
        ] {
            assert_eq!(own_address(Some(elsewhere)), HOME, "{elsewhere:?}");
        }
        assert_eq!(own_address(None), HOME);
    }

    #[test]
    fn an_address_survives_the_way_through_the_login() {
        let deep: Uri = "/pools/0a?window=5m&a=b%26c".parse().unwrap();
        let address = address(&deep);
        let query = address.strip_prefix("/login?").unwrap();
        assert_eq!(own_address(Form::parse(query.as_bytes()).to.as_deref()), "/pools/0a?window=5m&a=b%26c");
    }

    #[test]
    fn text_is_never_markup() {
        assert_eq!(escaped("/x?\"><script>'&"), "/x?&#34;&#62;&#60;script&#62;&#39;&#38;");
    }
}
