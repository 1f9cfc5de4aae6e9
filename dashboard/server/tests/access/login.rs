//! The login: who has to, how it is done, and how it ends.

use std::time::{Duration, Instant};

use poolscope_dashboard::config::Login;
use poolscope_wire::{ApiError, path};
use reqwest::{Method, Response, StatusCode};

use crate::{Running, TOKEN};

async fn with_login() -> Running {
    Running::with(|config| {
        config.access.login = Login::Token;
        config.access.login_token = TOKEN.parse().ok();
    })
    .await
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Name and value of the cookie that an answer sets.
fn cookie(response: &Response) -> String {
    header(response, "set-cookie").split(';').next().unwrap().to_owned()
}

async fn log_in(server: &Running) -> String {
    let answer = server.get(&format!("/login?t={TOKEN}")).send().await.unwrap();
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/"));
    cookie(&answer)
}

#[tokio::test]
async fn nobody_logs_in_on_loopback_and_everybody_does_elsewhere() {
    let open = Running::with(|_| {}).await;
    assert!(open.link.is_none());
    assert_eq!(open.get(path::STATUS).send().await.unwrap().status(), StatusCode::OK);
    let answer = open.get("/login?t=old").send().await.unwrap();
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/"));

    let closed = Running::with(|config| config.http_addr = ([0, 0, 0, 0], 0).into()).await;
    assert_eq!(closed.get(path::STATUS).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // The link that is printed works as it is.
    let link = closed.link.clone().unwrap();
    let answer = closed.client.get(&link).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{link}");
    assert!(link.rsplit('=').next().unwrap().len() >= 32, "{link}");
}

#[tokio::test]
async fn without_a_login_nothing_is_told_but_that_it_lives() {
    let server = with_login().await;
    for api in [path::STATUS, path::POOLS, path::STREAM, "/api/v1/nothing", path::METRICS, "/some.js"] {
        let answer = server.get(api).send().await.unwrap();
        assert_eq!(
            (answer.status(), header(&answer, "www-authenticate")),
            (StatusCode::UNAUTHORIZED, "Bearer"),
            "{api}"
        );
        assert_eq!(header(&answer, "cache-control"), "no-store", "{api}");
        assert!(answer.json::<ApiError>().await.unwrap().error.contains("/login"), "{api}");
    }
    for open in [path::HEALTH, path::READY, "/login.css", path::LOGIN] {
        assert_eq!(server.get(open).send().await.unwrap().status(), StatusCode::OK, "{open}");
    }
    // A page leads to the login and from there back to itself.
    let answer = server.get("/pools/0a?window=5m&x=1").send().await.unwrap();
    let location = header(&answer, "location").to_owned();
    assert_eq!(
        (answer.status(), &*location),
        (StatusCode::SEE_OTHER, "/login?return=%2Fpools%2F0a%3Fwindow%3D5m%26x%3D1")
    );
    let page = server.get(&location).send().await.unwrap();
    // With `no-referrer`, browsers that say nothing else would hide that the form is ours.
    assert_eq!(header(&page, "referrer-policy"), "same-origin");
    let page = page.text().await.unwrap();
    assert!(page.contains(r#"name="return" value="/pools/0a?window=5m&#38;x=1""#), "{page}");
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
}

#[tokio::test]
async fn the_form_logs_in_and_the_cookie_is_locked_down() {
    let server = with_login().await;
    let form = |token: &'static str, to: &'static str| {
        server
            .ask(Method::POST, path::LOGIN)
            .header("sec-fetch-site", "same-origin")
            .form(&[("token", token), ("return", to)])
            .send()
    };
    let wrong = form("0123456789abcdef-not-the-token", "/breakers?x=1").await.unwrap();
    assert_eq!((wrong.status(), header(&wrong, "set-cookie")), (StatusCode::UNAUTHORIZED, ""));
    let page = wrong.text().await.unwrap();
    assert!(page.contains("role=\"alert\"") && page.contains("/breakers?x=1"), "{page}");

    let right = form(TOKEN, "/breakers?x=1").await.unwrap();
    assert_eq!((right.status(), header(&right, "location")), (StatusCode::SEE_OTHER, "/breakers?x=1"));
    let set = header(&right, "set-cookie");
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=86400"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(
        set.starts_with(&format!("poolscope-login-{}=", server.http.port())) && !set.contains("Secure"),
        "{set}"
    );
    let shown = server.get(path::STATUS).header("cookie", cookie(&right)).send().await.unwrap();
    assert_eq!(shown.status(), StatusCode::OK);
    // Who has logged in is not asked again.
    let again = server.get("/login?return=/events").header("cookie", cookie(&right)).send().await.unwrap();
    assert_eq!(header(&again, "location"), "/events");
    for elsewhere in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let answer = form(TOKEN, elsewhere).await.unwrap();
        assert_eq!(header(&answer, "location"), "/", "{elsewhere}");
    }
    let large =
        server.ask(Method::POST, path::LOGIN).form(&[("token", "x".repeat(20_000))]).send().await.unwrap();
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn hostile_addresses_are_text_on_the_page() {
    let server = with_login().await;
    let page = server.get("/login?return=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E").send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(!page.contains("<script") && page.contains("&#60;script&#62;"), "{page}");
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let server = with_login().await;
    let cookie = log_in(&server).await;
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "http://evil.example")]
    {
        for path in [path::LOGIN, path::LOGOUT] {
            let form = server.ask(Method::POST, path).header(name, value).header("cookie", &cookie);
            let answer = form.form(&[("token", TOKEN)]).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    // One that hides where it is from has no cookie to log out with, and can't log in.
    let hidden =
        |path| server.ask(Method::POST, path).header("origin", "null").form(&[("token", TOKEN)]).send();
    assert_eq!(hidden(path::LOGIN).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(header(&hidden(path::LOGOUT).await.unwrap(), "set-cookie"), "");
    let text = server
        .ask(Method::POST, path::LOGIN)
        .header("content-type", "text/plain")
        .body(format!("token={TOKEN}"));
    assert_eq!(text.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // The login still holds.
    let answer = server.get(path::STATUS).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_link_on_another_site_is_followed_once_more_from_here() {
    let server = with_login().await;
    let link = || {
        server
            .get("/events?kind=x")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
    };
    let answer = link().send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.text().await.unwrap();
    assert!(page.contains("content=\"0; url=/events?kind=x\""), "{page}");
    let script =
        server.get(path::STATUS).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "no-cors");
    assert_eq!(script.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn logging_out_ends_the_login_and_its_live_stream() {
    let server = with_login().await;
    let cookie = log_in(&server).await;
    let mut stream = server.get(path::STREAM).header("cookie", &cookie).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let answer = server.ask(Method::POST, path::LOGOUT).header("cookie", &cookie).send().await.unwrap();
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(header(&answer, "set-cookie").contains("Max-Age=0"));
    let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
    let answer = server.get(path::STATUS).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_login_ends_by_itself_and_takes_its_live_stream_along() {
    let server = Running::with(|config| {
        config.access.login = Login::Token;
        config.access.login_token = TOKEN.parse().ok();
        config.access.login_life_s = 1;
    })
    .await;
    let began = Instant::now();
    let cookie = log_in(&server).await;
    let mut stream = server.get(path::STREAM).header("cookie", &cookie).send().await.unwrap();
    while let Ok(Some(_)) = stream.chunk().await {}
    assert!(began.elapsed() >= Duration::from_secs(1));
    let answer = server.get(path::STATUS).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_logins_that_exist_go_on() {
    let server = with_login().await;
    let cookie = log_in(&server).await;
    let wrong = |n: usize| server.get(&format!("/login?t=wrong-token-number-{n:04}")).send();
    let mut answers = Vec::new();
    for n in 0..200 {
        answers.push(wrong(n).await.unwrap().status());
    }
    let tried = answers.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
    assert!((10..=12).contains(&tried), "{tried}");
    let turned_away = wrong(0).await.unwrap();
    assert_eq!(turned_away.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(header(&turned_away, "retry-after").parse::<u64>().unwrap() <= 7);
    // The right token would not be told from a wrong one now, in the form and as a header alike.
    let right = server.get(&format!("/login?t={TOKEN}")).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS);
    let right = server.get(path::STATUS).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS);
    let status = server.get(path::STATUS).header("cookie", &cookie).send().await.unwrap();
    let status: poolscope_wire::Status = status.json().await.unwrap();
    assert!(status.own.losses.iter().any(|loss| loss.what.contains("wrong token") && loss.count >= 10));
    assert!(status.own.losses.iter().any(|loss| loss.what.contains("turned away") && loss.count >= 188));
}

#[tokio::test]
async fn a_program_shows_the_token_itself() {
    let server = with_login().await;
    let answer = server.get(path::POOLS).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let forged =
        server.get(path::POOLS).header("cookie", format!("poolscope-login-{}={TOKEN}", server.http.port()));
    assert_eq!(forged.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
