//! The browser UI, embedded when the server was built.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::api::ApiFailure;

/// A file of the UI.
#[derive(Debug)]
struct Asset {
    /// Path without the slash at its beginning.
    path: &'static str,
    etag: &'static str,
    content: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page; its scripts make of a path what they know.
const INDEX: &str = "index.html";
/// Files whose name changes with their content can be kept for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// All others are asked for again, which costs a 304 where nothing changed.
const ASK_AGAIN: &str = "no-cache";

/// Answers with a file of the UI, or with its page for a path that is none.
pub(crate) async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let sentence = "the dashboard is read by GET; OTLP is sent to its own port";
        return ApiFailure::new(StatusCode::METHOD_NOT_ALLOWED, sentence).into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let asset = find(path).or_else(|| if is_file(path) { None } else { find(INDEX) });
    match asset {
        Some(asset) => answer(asset, request.headers()),
        None => ApiFailure::new(StatusCode::NOT_FOUND, "no such file").into_response(),
    }
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// A missing script must not be answered with a page: the browser would try to run it.
pub(crate) fn is_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| content_type(name).is_some())
}

fn answer(asset: &Asset, request: &HeaderMap) -> Response {
    let asked = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = asked.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.etag));
    let (encoding, content) = match (asset.brotli, asset.gzip) {
        (Some(brotli), _) if accepts(request, "br") => (Some("br"), brotli),
        (_, Some(gzip)) if accepts(request, "gzip") => (Some("gzip"), gzip),
        _ => (None, asset.content),
    };
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(Bytes::from_static(content)))
    };
    let headers = response.headers_mut();
    if !is_known {
        let kind = content_type(asset.path).unwrap_or("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }
    let caching = if has_hash(asset.path) { FOR_EVER } else { ASK_AGAIN };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// True if the request takes an encoding; `q=0` refuses it.
fn accepts(request: &HeaderMap, encoding: &str) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts.any(|part| {
            part.strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
        });
        named && !refused
    })
}

/// True for names such as `poolscope-ui-0a1b2c3d4e5f.js`, where a part is a hash of the content.
fn has_hash(path: &str) -> bool {
    let stem = path.rsplit('/').next().unwrap_or(path).split('.').next().unwrap_or_default();
    let is_hash = |part: &str| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    stem.split(['-', '_']).skip(1).any(is_hash)
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))])
    }

    const ASSET: Asset = Asset {
        path: "poolscope-ui-0a1b2c3d4e5f_bg.wasm",
        etag: "\"1\"",
        content: b"plain",
        brotli: Some(b"br"),
        gzip: Some(b"gz"),
    };

    #[test]
    fn the_best_accepted_variant_is_sent() {
        let encoding =
            |accept| answer(&ASSET, &headers(accept)).headers().get(header::CONTENT_ENCODING).cloned();
        assert_eq!(encoding("gzip, deflate, br").unwrap(), "br");
        assert_eq!(encoding("gzip, br;q=0").unwrap(), "gzip");
        assert_eq!(encoding("identity"), None);
    }

    #[test]
    fn hashed_files_are_kept_for_ever_and_wasm_is_called_wasm() {
        let response = answer(&ASSET, &headers(""));
        assert_eq!(response.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/wasm");
        assert!(has_hash("poolscope-ui-0a1b2c3d4e5f.js"));
        assert!(!has_hash("index.html") && !has_hash("icon.svg") && !has_hash("poolscope-ui.js"));
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let mut request = headers("br");
        request.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"0\", \"1\""));
        assert_eq!(answer(&ASSET, &request).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn there_is_always_a_page() {
        assert!(find(INDEX).is_some());
        assert!(!is_file("pools/0a1b") && is_file("snippets/x.js"));
    }
}
