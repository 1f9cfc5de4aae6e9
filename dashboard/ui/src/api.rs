//! Reads what the stream does not carry.

use std::fmt;

use poolscope_wire::{
    ApiError, BreakerDetail, ConnectionLanes, Event, KEPT_HEADER, MATCHING_HEADER, PoolDetail, json, path,
};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, RequestInit, Response};

use crate::{route::encode, time::range::Span};

/// Why an answer can't be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server does not have it.
    NotFound(String),
    /// The server refused, in its own words.
    Refused(String),
    /// The server refused for now, and why.
    Later(String),
    /// No answer came.
    Unreachable,
    /// The answer is not what the contract says.
    Malformed(String),
}

impl Failure {
    /// True if it may be over by itself.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Later(_) | Self::Unreachable)
    }

    /// What an answer that is no success says.
    fn of(status: u16, sentence: String) -> Self {
        match status {
            401 => Self::Later("the login is over; load the page again to log in".to_owned()),
            404 => Self::NotFound(sentence),
            408 | 429 | 500.. => Self::Later(sentence),
            _ => Self::Refused(sentence),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence) | Self::Refused(sentence) => f.write_str(sentence),
            Self::Later(sentence) => {
                write!(f, "The server refuses this for now: {sentence}. The page tries again by itself.")
            }
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

/// Events as they are asked for, with how many there are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Events {
    /// The newest of those that match, newest first.
    pub events: Vec<Event>,
    /// How many match.
    pub matching: u64,
    /// How many the server has.
    pub kept: u64,
}

/// Reads events; the address is that of the events with its query.
pub async fn events(url: &str) -> Result<Events, Failure> {
    let (answer, body) = success(url).await?;
    let events: Vec<Event> = parse(&body)?;
    let count = |name: &str| answer.headers().get(name).ok().flatten()?.parse().ok();
    let least = events.len() as u64;
    let matching = count(MATCHING_HEADER).unwrap_or(least);
    Ok(Events { matching, kept: count(KEPT_HEADER).unwrap_or(matching), events })
}

/// Reads what an address of the server answers with.
pub async fn read<T: json::Read + Default>(url: &str) -> Result<T, Failure> {
    parse(&body(url).await?)
}

fn parse<T: json::Read + Default>(body: &str) -> Result<T, Failure> {
    json::read(body).map_err(|error| Failure::Malformed(error.to_string()))
}

/// The body of an answer that is a success.
pub async fn body(url: &str) -> Result<String, Failure> {
    success(url).await.map(|(_, body)| body)
}

/// An answer that is a success, with its body.
async fn success(url: &str) -> Result<(Response, String), Failure> {
    let answer = fetch(url, &RequestInit::new()).await.ok_or(Failure::Unreachable)?;
    let body = text(&answer).await.ok_or(Failure::Unreachable)?;
    if answer.status() == 200 {
        return Ok((answer, body));
    }
    Err(Failure::of(answer.status(), sentence(answer.status(), &body)))
}

/// Why an address is refused, as status and sentence; `None` if it is not, or nobody answers.
pub async fn refusal(url: &str) -> Option<(u16, String)> {
    let stop = AbortController::new().ok()?;
    let request = RequestInit::new();
    request.set_signal(Some(&stop.signal()));
    let answer = fetch(url, &request).await?;
    if answer.ok() {
        // The live stream has no end that could be waited for.
        stop.abort();
        return None;
    }
    let body = text(&answer).await?;
    Some((answer.status(), sentence(answer.status(), &body)))
}

fn sentence(status: u16, body: &str) -> String {
    json::read::<ApiError>(body)
        .map_or_else(|_| format!("it answers with status {status}"), |error| error.error)
}

async fn fetch(url: &str, request: &RequestInit) -> Option<Response> {
    let sent = leptos::prelude::window().fetch_with_str_and_init(url, request);
    JsFuture::from(sent).await.ok()?.dyn_into().ok()
}

async fn text(answer: &Response) -> Option<String> {
    JsFuture::from(answer.text().ok()?).await.ok()?.as_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_over_soon_is_told_apart() {
        let of = |status| Failure::of(status, "why".to_owned());
        for status in [401, 408, 429, 500, 502, 503] {
            assert!(of(status).passes(), "{status}");
        }
        assert_eq!(of(404), Failure::NotFound("why".to_owned()));
        assert_eq!(of(400), Failure::Refused("why".to_owned()));
        assert!(of(503).to_string().contains("for now: why. The page tries again"));
    }
}
