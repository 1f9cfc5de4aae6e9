//! The login: its token, who has logged in by it, and the cookie that tells so.

use std::net::IpAddr;
use std::sync::RwLock;
use std::time::Duration;

use http::{HeaderMap, header};

use super::secrets::{LOGIN_TOKEN, one_of};
use super::{AccessError, Sessions, Tries, Visit, read_lock, write_lock};
use crate::config::{self, Secret};

/// Random bytes of a token that is made here.
const TOKEN_BYTES: usize = 16;

/// A login that is asked for.
#[derive(Debug)]
pub(crate) struct LoginRule {
    pub(super) token: RwLock<Secret>,
    pub(crate) sessions: Sessions,
    pub(crate) tries: Tries,
    /// Cookies know no ports, and two dashboards of one host must not log each other out.
    pub(crate) cookie: String,
    pub(crate) is_secure: bool,
}

impl LoginRule {
    /// The token, for the link that is printed once.
    pub(crate) fn token(&self) -> String {
        read_lock(&self.token).reveal().to_owned()
    }

    /// Puts a token in force. If it is another one, logins by the one before end.
    pub(super) fn renew(&self, token: Secret) {
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

/// The rule by these settings, for a page at this port.
pub(super) fn login_rule(
    config: &config::Access,
    port: u16,
    has_tls: bool,
    is_secure: bool,
) -> Result<LoginRule, AccessError> {
    let token = match one_of(LOGIN_TOKEN, &config.login_token, &config.login_token_file)? {
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
