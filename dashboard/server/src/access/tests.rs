//! The rules of access, without sockets.

use super::*;
use http::HeaderValue;

const ONE: &str = "0123456789abcdef-one";
const TWO: &str = "0123456789abcdef-two";

fn config(change: impl FnOnce(&mut config::Access)) -> Config {
    let mut config = Config::default();
    change(&mut config.access);
    config
}

fn access(at: [u8; 4], config: &Config) -> Result<Access, AccessError> {
    Access::new(config, (at, 4320).into(), [(at, 4317).into(), (at, 4318).into()])
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn a_login_is_asked_for_as_soon_as_the_page_leaves_loopback() {
    let of =
        |at, login| access(at, &config(|access| access.login = login)).map(|access| access.login.is_some());
    assert!(!of([127, 0, 0, 1], Login::Auto).unwrap() && of([127, 0, 0, 1], Login::Token).unwrap());
    assert!(of([0, 0, 0, 0], Login::Auto).unwrap() && of([10, 0, 0, 1], Login::Auto).unwrap());
    assert!(of([10, 0, 0, 1], Login::None).unwrap_err().to_string().contains("--allow-anonymous"));
    let open = config(|access| (access.login, access.allow_anonymous) = (Login::None, true));
    let warnings = access([10, 0, 0, 1], &open).unwrap().warnings;
    assert!(warnings[0].contains("no login") && warnings[1].contains("no key"), "{warnings:?}");
    assert!(access([127, 0, 0, 1], &Config::default()).unwrap().warnings.is_empty());
    let mut named = config(|access| access.public_url = Some("https://dash.example.com".to_owned()));
    assert!(access([127, 0, 0, 1], &named).unwrap().login.is_some(), "a proxy leads others to it");
    named.access.login = Login::None;
    assert!(access([127, 0, 0, 1], &named).unwrap().warnings[0].contains("no login"));
    let named = Config { allowed_host: vec!["dash.internal".to_owned()], ..Config::default() };
    assert!(access([127, 0, 0, 1], &named).unwrap().login.is_some());
    assert!(is_loopback("[::ffff:127.0.0.1]:1".parse().unwrap()));
}

#[test]
fn who_offers_control_asks_for_a_login_wherever_the_page_is() {
    let of = |login| access([127, 0, 0, 1], &config(|a| (a.login, a.allow_control) = (login, true)));
    assert!(of(Login::Auto).unwrap().login.is_some() && of(Login::Token).unwrap().login.is_some());
    assert!(of(Login::None).unwrap_err().to_string().contains("--allow-control"));
    let mut asked = config(|access| access.allow_control = true);
    asked.prometheus.source = DataSource::Prometheus;
    assert!(access([127, 0, 0, 1], &asked).unwrap_err().to_string().contains("--source prometheus"));
}

#[test]
fn both_keys_are_taken_in_both_headers_and_no_other() {
    let keys = config(|access| {
        access.otlp_api_key = Some(ONE.parse().unwrap());
        access.otlp_api_key_secondary = Some(TWO.parse().unwrap());
    });
    let access = access([127, 0, 0, 1], &keys).unwrap();
    let bearer = |key| format!("Bearer {key}");
    for key in [ONE, TWO] {
        assert!(access.may_send(&headers(&[("x-otlp-api-key", key)])));
        assert!(access.may_send(&headers(&[("authorization", &bearer(key))])));
    }
    for wrong in [
        &[][..],
        &[("x-otlp-api-key", "0123456789abcdef-six")],
        &[("authorization", ONE)],
        &[("x-otlp-api-key", "")],
    ] {
        assert!(!access.may_send(&headers(wrong)), "{wrong:?}");
    }
}

#[test]
fn keys_come_from_a_file_too_and_a_bad_file_changes_nothing() {
    let file = std::env::temp_dir().join(format!("poolscope-keys-{}", std::process::id()));
    std::fs::write(&file, format!("{ONE}\n\n")).unwrap();
    let access =
        access([127, 0, 0, 1], &config(|access| access.otlp_api_key_file = Some(file.clone()))).unwrap();
    let may = |key| access.may_send(&headers(&[("x-otlp-api-key", key)]));
    assert!(may(ONE) && !may(TWO));
    for (text, says) in [("", "empty"), ("short", "16"), (&*format!("{ONE}\n{ONE}\n{ONE}"), "3 lines")] {
        std::fs::write(&file, text).unwrap();
        let told = access.read_again().unwrap_err().to_string();
        assert!(told.contains(says) && !told.contains("short\n"), "{told}");
    }
    assert!(may(ONE) && !may(TWO));
    std::fs::write(&file, format!("{TWO}\n{ONE}\n")).unwrap();
    access.read_again().unwrap();
    assert!(may(ONE) && may(TWO));
}

#[test]
fn what_can_not_be_meant_is_refused() {
    let told =
        |change: fn(&mut config::Access)| access([127, 0, 0, 1], &config(change)).unwrap_err().to_string();
    assert!(
        told(|access| access.otlp_api_key_secondary = TWO.parse().ok()).contains("without --otlp-api-key")
    );
    let both =
        told(|access| (access.scrape_key, access.scrape_key_file) = (ONE.parse().ok(), Some("x".into())));
    assert!(both.contains("--scrape-key-file"), "{both}");
    for url in ["dash.example.com", "ftp://dash.example.com", "https://dash.example.com/under", "https://"] {
        assert!(PublicUrl::parse(url).is_err(), "{url}");
    }
    let public = PublicUrl::parse("https://dash.example.com:8443/").unwrap();
    assert_eq!((&*public.url, &*public.host), ("https://dash.example.com:8443", "dash.example.com"));
}

#[test]
fn metrics_need_the_scrape_key_where_there_is_one_and_the_login_where_there_is_none() {
    let key = config(|access| access.scrape_key = ONE.parse().ok());
    let with = access([127, 0, 0, 1], &key).unwrap();
    assert!(!with.may_scrape(&headers(&[])));
    assert!(with.may_scrape(&headers(&[("authorization", &format!("bearer {ONE}"))])));
    assert!(access([127, 0, 0, 1], &Config::default()).unwrap().may_scrape(&headers(&[])));
    assert!(!access([0, 0, 0, 0], &Config::default()).unwrap().may_scrape(&headers(&[])));
}
