//! Who may look and who may send: what was decided at the start, and who has logged in since.

mod origin;
mod sessions;
mod tries;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use http::{HeaderMap, Uri, header};

pub(crate) use origin::{Asker, asks_from_elsewhere, comes_from_elsewhere, comes_from_own_page};
pub(crate) use sessions::{Sessions, Visit};
pub(crate) use tries::Tries;

use crate::config::{self, Config, Login, Secret};
use crate::prometheus::DataSource;

/// Random bytes of a token that is made here.
const TOKEN_BYTES: usize = 16;
/// Keys that senders may use at once: the old and the new.
const MAX_KEYS: usize = 2;
/// The header in which OTLP senders show their key.
const KEY_HEADER: &str = "x-otlp-api-key";

/// Why the rules of access can't be put in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A file with a token or key can't be used.
    #[error("{} can't be used: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Both a value and a file were given.
    #[error("--{0} and --{0}-file are both given; one of them is enough")]
    Both(&'static str),
    /// A second key without a first.
    #[error("--otlp-api-key-secondary is given without --otlp-api-key")]
    SecondaryAlone,
    /// The page would be open to everybody who reaches it.
    #[error(
        "without a login everybody who reaches {0} would see everything; add --allow-anonymous if that is meant, \
         or leave --login none out"
    )]
    Anonymous(SocketAddr),
    /// Everybody could hold breakers.
    #[error(
        "with --allow-control a login is always asked for, also on loopback, so --login none can't be meant: leave one of \
         them out"
    )]
    ControlWithoutLogin,
    /// Nobody would ask for commands.
    #[error(
        "--allow-control needs applications that send their metrics here, and with --source prometheus none does: leave one \
         of them out"
    )]
    ControlWithoutSenders,
    /// It is no address of a page.
    #[error("--public-url {0} is not like https://dash.example.com: http or https, a host, no path")]
    PublicUrl(String),
    /// The system has no random numbers.
    #[error("no token can be made: {0}")]
    Random(#[from] getrandom::Error),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Access {
    login: Option<LoginRule>,
    scrape_key: RwLock<Option<Secret>>,
    keys: RwLock<Arc<[Secret]>>,
    key_file: Option<PathBuf>,
    scrape_key_file: Option<PathBuf>,
    /// Only where a login is asked for.
    token_file: Option<PathBuf>,
    pub(crate) public: Option<PublicUrl>,
    pub(crate) warnings: Vec<String>,
}

/// A login that is asked for.
#[derive(Debug)]
pub(crate) struct LoginRule {
    token: RwLock<Secret>,
    pub(crate) sessions: Sessions,
    pub(crate) tries: Tries,
    /// Cookies know no ports, and two dashboards of one host must not log each other out.
    pub(crate) cookie: String,
    pub(crate) is_secure: bool,
}

/// The address by which browsers reach the page.
#[derive(Debug, Clone)]
pub(crate) struct PublicUrl {
    pub(crate) url: String,
    pub(crate) host: String,
    is_https: bool,
}

impl PublicUrl {
    fn parse(text: &str) -> Result<Self, AccessError> {
        let wrong = || AccessError::PublicUrl(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().filter(|_| is_plain && (is_https || uri.scheme_str() == Some("http")));
        let host = host.ok_or_else(wrong)?.to_owned();
        Ok(Self { url: text.trim_end_matches('/').to_owned(), host, is_https })
    }
}

impl Access {
    /// Puts the rules in force for listeners at these addresses.
    pub(crate) fn new(config: &Config, http: SocketAddr, otlp: [SocketAddr; 2]) -> Result<Self, AccessError> {
        let config::Access { login, allow_anonymous, allow_control, public_url, .. } = &config.access;
        let public = public_url.as_deref().map(PublicUrl::parse).transpose()?;
        let has_tls = config.tls.tls_cert.is_some();
        let is_secure = has_tls || public.as_ref().is_some_and(|public| public.is_https);
        let mut warnings = Vec::new();
        let is_open = !is_loopback(http);
        // Who gives the page a name means others to reach it, as through a proxy on this machine.
        let is_named = public.is_some() || !config.allowed_host.is_empty();
        let asks = match login {
            Login::Token => true,
            Login::Auto => is_open || is_named || *allow_control,
            Login::None if *allow_control => return Err(AccessError::ControlWithoutLogin),
            Login::None => false,
        };
        if *allow_control && config.prometheus.source == DataSource::Prometheus {
            return Err(AccessError::ControlWithoutSenders);
        }
        if is_open && !asks {
            if !allow_anonymous {
                return Err(AccessError::Anonymous(http));
            }
            warnings.push(format!("everybody who reaches {http} sees everything: there is no login"));
        }
        if is_named && !is_open && !asks {
            warnings.push(format!(
                "everybody who reaches {http} by way of a proxy sees everything that the proxy shows them: there is no login"
            ));
        }
        if is_open && asks && !is_secure {
            warnings.push(format!(
                "the login at {http} travels without TLS: who listens on the way can log in too; \
                 give --tls-cert and --tls-key, or --public-url where a proxy has TLS"
            ));
        }
        let login =
            if asks { Some(login_rule(&config.access, http.port(), has_tls, is_secure)?) } else { None };
        let scrape_key = one_of("scrape-key", &config.access.scrape_key, &config.access.scrape_key_file)?;
        let mut access = Self {
            token_file: config.access.login_token_file.clone().filter(|_| login.is_some()),
            login,
            scrape_key: RwLock::new(scrape_key),
            scrape_key_file: config.access.scrape_key_file.clone(),
            keys: RwLock::new(keys(&config.access)?),
            key_file: config.access.otlp_api_key_file.clone(),
            public,
            warnings,
        };
        for address in otlp.into_iter().filter(|address| !is_loopback(*address)) {
            if !access.wants_key() && config.tls.otlp_client_ca.is_none() {
                access.warnings.push(format!(
                    "everybody who reaches {address} can send: there is no key; give --otlp-api-key-file"
                ));
            }
        }
        Ok(access)
    }

    pub(crate) fn login(&self) -> Option<&LoginRule> {
        self.login.as_ref()
    }

    /// True if senders have to show a key.
    pub(crate) fn wants_key(&self) -> bool {
        !self.keys().is_empty()
    }

    fn keys(&self) -> Arc<[Secret]> {
        read_lock(&self.keys).clone()
    }

    /// True if a sender may send. Each key is compared, so that the time tells nothing about which it was.
    pub(crate) fn may_send(&self, headers: &HeaderMap) -> bool {
        let keys = self.keys();
        if keys.is_empty() {
            return true;
        }
        let shown = headers.get(KEY_HEADER).and_then(|value| value.to_str().ok()).or_else(|| bearer(headers));
        shown.is_some_and(|shown| keys.iter().fold(false, |found, key| found | key.is(shown)))
    }

    /// True if whoever shows this may read `/metrics`.
    pub(crate) fn may_scrape(&self, headers: &HeaderMap) -> bool {
        match &*read_lock(&self.scrape_key) {
            Some(key) => bearer(headers).is_some_and(|shown| key.is(shown)),
            None => self.login.is_none(),
        }
    }

    /// Files that are read again when they change.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        [&self.key_file, &self.scrape_key_file, &self.token_file].into_iter().flatten().cloned()
    }

    /// Reads the keys and the token again; if something is wrong with one file, all that is in force stays.
    pub(crate) fn read_again(&self) -> Result<(), AccessError> {
        let keys = self.key_file.as_deref().map(keys_of).transpose()?;
        let scrape_key = self.scrape_key_file.as_deref().map(one_in).transpose()?;
        let token = self.token_file.as_deref().map(one_in).transpose()?;
        if let Some(keys) = keys {
            *write_lock(&self.keys) = keys;
        }
        if let Some(key) = scrape_key {
            *write_lock(&self.scrape_key) = Some(key);
        }
        if let (Some(token), Some(login)) = (token, &self.login) {
            login.renew(token);
        }
        Ok(())
    }
}

fn read_lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_lock<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl LoginRule {
    /// The token, for the link that is printed once.
    pub(crate) fn token(&self) -> String {
        read_lock(&self.token).reveal().to_owned()
    }

    /// Puts a token in force. If it is another one, logins by the one before end.
    fn renew(&self, token: Secret) {
        let mut current = write_lock(&self.token);
        if !current.is(token.reveal()) {
            *current = token;
            self.sessions.close_all();
        }
    }

    /// True if it is the token; `Err` is how long this address has to wait until it may try again.
    pub(crate) fn try_token(&self, tried: &str, from: IpAddr) -> Result<bool, Duration> {
        self.tries.check(from)?;
        let is_it = read_lock(&self.token).is(tried);
        if !is_it {
            self.tries.failed(from);
        }
        Ok(is_it)
    }

    /// The login that a request shows by its cookie.
    pub(crate) fn visit(&self, headers: &HeaderMap) -> Option<Visit> {
        self.sessions.find(self.session(headers)?)
    }

    /// What the cookie of a request says.
    pub(crate) fn session<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    /// The cookie of a login, or with an empty value and no life its end.
    pub(crate) fn set_cookie(&self, session: &str, life: Duration) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let (cookie, seconds) = (&self.cookie, life.as_secs());
        format!("{cookie}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }
}

/// What follows `Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, shown) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}

/// True for 127.0.0.0/8 and ::1, also where they are written as the other kind.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn login_rule(
    config: &config::Access,
    port: u16,
    has_tls: bool,
    is_secure: bool,
) -> Result<LoginRule, AccessError> {
    let token = match one_of("login-token", &config.login_token, &config.login_token_file)? {
        Some(token) => token,
        None => Secret::random(TOKEN_BYTES)?,
    };
    // A browser takes a cookie of such a name over TLS only, and from this very host.
    let prefix = if is_secure { "__Host-" } else { "" };
    // Behind a proxy the port is the proxy's.
    let cookie = if is_secure && !has_tls {
        format!("{prefix}poolscope-login")
    } else {
        format!("{prefix}poolscope-login-{port}")
    };
    let life = Duration::from_secs(config.login_life_s);
    Ok(LoginRule {
        token: RwLock::new(token),
        sessions: Sessions::new(life),
        tries: Tries::default(),
        cookie,
        is_secure,
    })
}

fn one_of(
    name: &'static str,
    value: &Option<Secret>,
    file: &Option<PathBuf>,
) -> Result<Option<Secret>, AccessError> {
    match (value, file) {
        (Some(_), Some(_)) => Err(AccessError::Both(name)),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(file)) => one_in(file).map(Some),
        (None, None) => Ok(None),
    }
}

fn keys(config: &config::Access) -> Result<Arc<[Secret]>, AccessError> {
    match (&config.otlp_api_key, &config.otlp_api_key_secondary, &config.otlp_api_key_file) {
        (None, Some(_), _) => Err(AccessError::SecondaryAlone),
        (Some(_), _, Some(_)) => Err(AccessError::Both("otlp-api-key")),
        (None, None, Some(file)) => keys_of(file),
        (first, second, None) => Ok([first, second].into_iter().flatten().cloned().collect()),
    }
}

fn keys_of(file: &Path) -> Result<Arc<[Secret]>, AccessError> {
    read(file, MAX_KEYS).map(Into::into)
}

/// The secret in a file.
fn one_in(file: &Path) -> Result<Secret, AccessError> {
    let one = read(file, 1)?.into_iter().next();
    one.ok_or_else(|| AccessError::File { file: file.to_owned(), problem: "it is empty".to_owned() })
}

/// The secrets in a file, one a line.
fn read(file: &Path, most: usize) -> Result<Vec<Secret>, AccessError> {
    let bad = |problem: String| AccessError::File { file: file.to_owned(), problem };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Result<Vec<Secret>, _> = lines.map(str::parse).collect();
    let secrets = secrets.map_err(|error: config::SecretError| bad(error.to_string()))?;
    match secrets.len() {
        0 => Err(bad("it is empty".to_owned())),
        found if found > most => Err(bad(format!("it has {found} lines, of which {most} would be read"))),
        _ => Ok(secrets),
    }
}

#[cfg(test)]
mod tests {
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
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn a_login_is_asked_for_as_soon_as_the_page_leaves_loopback() {
        let of = |at, login| {
            access(at, &config(|access| access.login = login)).map(|access| access.login.is_some())
        };
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
        let told = |change: fn(&mut config::Access)| {
            access([127, 0, 0, 1], &config(change)).unwrap_err().to_string()
        };
        assert!(
            told(|access| access.otlp_api_key_secondary = TWO.parse().ok())
                .contains("without --otlp-api-key")
        );
        let both =
            told(|access| (access.scrape_key, access.scrape_key_file) = (ONE.parse().ok(), Some("x".into())));
        assert!(both.contains("--scrape-key-file"), "{both}");
        for url in
            ["dash.example.com", "ftp://dash.example.com", "https://dash.example.com/under", "https://"]
        {
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
}
