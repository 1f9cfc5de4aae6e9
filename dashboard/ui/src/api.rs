//! Reads what the stream does not carry.

use std::fmt;

use poolscope_wire::{ApiError, BreakerDetail, ConnectionLanes, Event, PoolDetail, RuleSetting, json, path};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use crate::{route::encode, time::range::Span};

/// The most events of an answer: by default the server keeps no more.
const MAX_EVENTS: usize = 5_000;

/// Why an answer can't be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server does not have it.
    NotFound(String),
    /// The server refused, in its own words.
    Refused(String),
    /// No answer came.
    Unreachable,
    /// The answer is not what the contract says.
    Malformed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence) | Self::Refused(sentence) => f.write_str(sentence),
            Self::Unreachable => f.write_str("The server does not answer. The page tries again by itself."),
            Self::Malformed(error) => {
                write!(f, "The server's answer can't be read ({error}); reload the page.")
            }
        }
    }
}

/// Reads a pool with its history of a time, in at most `max_points` points.
pub async fn pool(id: &str, span: Span, max_points: usize) -> Result<PoolDetail, Failure> {
    read(&pool_url(id, span, max_points)).await
}

/// Where the answer of [`pool`] is.
#[must_use]
pub fn pool_url(id: &str, Span { from_ms, to_ms }: Span, max_points: usize) -> String {
    format!("{}/{}?from_ms={from_ms}&to_ms={to_ms}&max_points={max_points}", path::POOLS, encode(id))
}

/// Reads the connections of a pool one by one; the query has its `?`.
pub async fn connections(id: &str, query: &str) -> Result<ConnectionLanes, Failure> {
    read(&format!("{}/{}/{}{query}", path::POOLS, encode(id), path::CONNECTIONS)).await
}

/// Reads a breaker with its states over a time.
pub async fn breaker(id: &str, span: Span) -> Result<BreakerDetail, Failure> {
    let Span { from_ms, to_ms } = span;
    // Only its states are shown; they are told as exactly as there are points.
    read(&format!("{}/{}?from_ms={from_ms}&to_ms={to_ms}&max_points=200", path::BREAKERS, encode(id))).await
}

/// Reads the events of a time, newest first, of one pool or (with an empty id) of all.
pub async fn events(span: Span, pool: &str) -> Result<Vec<Event>, Failure> {
    let Span { from_ms, to_ms } = span;
    let pool = if pool.is_empty() { String::new() } else { format!("&pool={}", encode(pool)) };
    read(&format!("{}?from_ms={from_ms}&to_ms={to_ms}&limit={MAX_EVENTS}{pool}", path::EVENTS)).await
}

/// Reads the rules and their limits.
pub async fn rules() -> Result<Vec<RuleSetting>, Failure> {
    read(path::RULES).await
}

/// Reads what an address of the server answers with.
pub async fn read<T: json::Read + Default>(url: &str) -> Result<T, Failure> {
    let body = body(url).await?;
    json::read(&body).map_err(|error| Failure::Malformed(error.to_string()))
}

/// The body of an answer that is a success.
pub async fn body(url: &str) -> Result<String, Failure> {
    let (status, body) = get(url).await.ok_or(Failure::Unreachable)?;
    if status == 200 {
        return Ok(body);
    }
    let sentence = json::read::<ApiError>(&body)
        .map_or_else(|_| format!("The server answered with status {status}."), |error| error.error);
    Err(if status == 404 { Failure::NotFound(sentence) } else { Failure::Refused(sentence) })
}

/// True if the server wants a login that this browser has not, or no longer.
pub async fn wants_login() -> bool {
    get(path::STATUS).await.is_some_and(|(status, _)| status == 401)
}

/// Status and body of an answer; `None` if none came.
async fn get(url: &str) -> Option<(u16, String)> {
    let answer = JsFuture::from(leptos::prelude::window().fetch_with_str(url)).await.ok()?;
    let answer: Response = answer.dyn_into().ok()?;
    let body = JsFuture::from(answer.text().ok()?).await.ok()?;
    Some((answer.status(), body.as_string()?))
}
