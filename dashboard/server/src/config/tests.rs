//! Rank, names and faults of the configuration.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[arg(long, env = "POOLSCOPE_TEST_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    all: Config,
}

/// A file of its own for a test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("poolscope-config-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

fn load_with(file: &PathBuf, flags: &[&str]) -> Result<Loaded<Program>, LoadError> {
    let mut args = vec![OsString::from("program"), "--config".into(), file.into()];
    args.extend(flags.iter().map(OsString::from));
    load(args)
}

#[test]
fn the_defaults_of_all_fields_hold() {
    let config = Config::default();
    assert_eq!((config.http_addr, config.retention_s), (DEFAULT_HTTP_ADDR, DEFAULT_RETENTION_S));
    assert_eq!(config.limits.max_pools, Limits::default().max_pools);
    assert_eq!((config.access.login, config.tls.tls_cert), (Login::Auto, None));
}

#[test]
fn a_flag_outranks_the_file_and_the_file_outranks_the_default() {
    let path = file(
        "rank",
        "# a comment\nretention = 60\nmax-pools = 0x10\nallowed-host = [\"a.example\", \"b.example\"]\nallow-anonymous = true\nlogin = \"token\"\n",
    );
    let loaded = load_with(&path, &["--max-pools", "5"]).unwrap();
    let config = &loaded.args.all;
    assert_eq!((config.retention_s, config.limits.max_pools), (60, 5));
    assert_eq!(config.allowed_host, ["a.example", "b.example"]);
    assert_eq!((config.access.allow_anonymous, config.access.login), (true, Login::Token));
    assert_eq!(config.limits.max_events, DEFAULT_MAX_EVENTS);

    let printed = loaded.to_string();
    let line = |key: &str| printed.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap();
    assert!(line("retention").starts_with("retention = 60 "), "{printed}");
    assert!(line("retention").ends_with(&format!("# {}:2", path.display())));
    assert!(line("max-pools").ends_with("# flag") && line("max-events").ends_with("# default"));
}

#[test]
fn a_printed_configuration_is_a_file_again() {
    let loaded = load::<Program>(
        ["program", "--retention", "077", "--prometheus-user", "7", "--store", "a\"b"].map(OsString::from),
    )
    .unwrap();
    let again = load_with(&file("again", &loaded.to_string()), &[]).unwrap();
    assert_eq!(again.args.all.retention_s, 77);
    assert_eq!(again.args.all.prometheus.prometheus_user.as_deref(), Some("7"));
    assert_eq!(again.args.all.store, Some("a\"b".into()));
    let secrets =
        ["program", "--prometheus-header", "X-Scope-OrgID: team", "--prometheus-header", "X-Key: hush"];
    let loaded = load::<Program>(secrets.map(OsString::from)).unwrap();
    let again = load_with(&file("again-headers", &loaded.to_string()), &[]).unwrap();
    assert!(again.args.all.prometheus.prometheus_header.is_empty(), "what is masked is left out: {loaded}");
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_it() {
    for (flag, wrong) in [
        ("--otlp-api-key", "too-short-hush"),
        ("--login-token", "with a space and hush in it"),
        ("--prometheus-header", "hush"),
    ] {
        for args in [vec!["program", flag, wrong], vec!["program", &*format!("{flag}={wrong}")]] {
            let error = load::<Program>(args.iter().map(OsString::from)).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hush") && error.to_string().contains(flag), "{said}");
        }
    }
    // What the URL may not hold is no secret of its own, and so is not hidden where it holds none.
    for wrong in ["http://me:hush@x", "me:hush@x", "http://me:hu/hush@x", "http://x/?token=hush"] {
        let by_flag =
            load::<Program>(["program", "--prometheus-url", wrong].map(OsString::from)).unwrap_err();
        let by_file = load_with(&file("url", &format!("prometheus-url = \"{wrong}\"\n")), &[]).unwrap_err();
        for said in [format!("{by_flag} {by_flag:?}"), format!("{by_file} {by_file:?}")] {
            assert!(!said.contains("hush") && said.contains("prometheus-url"), "{said}");
        }
    }
    let plain = load::<Program>(["program", "--prometheus-url", "ftp://x"].map(OsString::from)).unwrap_err();
    assert!(plain.to_string().contains("ftp://x"), "{plain}");
    let path = file("quiet", "otlp-api-key = \"0123456789abcdef-hush\"\n");
    let loaded = load_with(&path, &["--login-token", "0123456789abcdef-hush"]).unwrap();
    assert!(!format!("{loaded:?} {loaded}").contains("hush"));
}

#[test]
fn secrets_are_masked_and_those_on_the_command_line_are_warned_of() {
    let key = "0123456789abcdef-of-the-file";
    let path = file("secret", &format!("otlp-api-key = \"{key}\"\n"));
    let loaded = load_with(&path, &["--login-token", "0123456789abcdef-of-the-flag"]).unwrap();
    assert!(loaded.args.all.access.otlp_api_key.as_ref().unwrap().is(key));
    let told = format!("{loaded} {loaded:?}").replace(&format!("{:?}", loaded.matches), "");
    assert!(!loaded.to_string().contains("0123456789abcdef"), "{told}");
    assert!(
        loaded.warnings.iter().any(|warning| warning.contains("--login-token ")),
        "{:?}",
        loaded.warnings
    );
    assert!(!loaded.warnings.iter().any(|warning| warning.contains("--otlp-api-key ")));
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line() {
    for (text, line, parts) in [
        ("\nretnetion = 60\n", 2, &["unknown key `retnetion`: did you mean `retention`?"][..]),
        ("http_addr = \"127.0.0.1:1\"\n", 1, &["unknown key `http_addr`: did you mean `http-addr`?"]),
        ("zzz = 1\n", 1, &["unknown key `zzz`; --help lists all"]),
        ("server = 1\n", 1, &["unknown key `server`; --help lists all"]),
        ("max_pool = 1\n", 1, &["did you mean `max-pools`?"]),
        (
            "max-pools = 1\n\nretention = \"soon\"\n",
            3,
            &["`retention`: a whole number of seconds is wanted, not `\"soon\"`: write retention = 60"],
        ),
        ("retention = \"5\"\n", 1, &["a whole number of seconds is wanted, not `\"5\"`"]),
        ("retention = 1.5\n", 1, &["a whole number of seconds is wanted, not `1.5`"]),
        ("max-pools = \"5\"\n", 1, &["a whole number is wanted, not `\"5\"`: write max-pools = 60"]),
        ("retention = 0\n", 1, &["`retention`: `0` can't be taken: a whole number from 1 to 2592000"]),
        ("http-addr = \"here\"\n", 1, &["`http-addr`: `here` can't be taken"]),
        ("http-addr = 4320\n", 1, &["`http-addr`: a text in quotes is wanted: write http-addr = \"...\""]),
        ("allowed-host = [\"http://a/b\"]\n", 1, &["without scheme and path, such as a"]),
        ("login = \"maybe\"\n", 1, &["`login`: `maybe` is not one of auto, token, none"]),
        ("allow-anonymous = 3\n", 1, &["true or false is wanted"]),
        ("allow-anonymous = \"true\"\n", 1, &["true or false is wanted, without quotes"]),
        ("retention = [1, 2]\n", 1, &["one value is wanted"]),
        (
            "\n[server]\nmax-pools = 3\n",
            2,
            &["the file has no sections such as `[server]`: write each key at the top"],
        ),
        ("retention = 1\nretention = 2\n", 2, &["duplicate key"]),
        ("retention = = 1\n", 1, &["this is not TOML"]),
        ("config = \"other.toml\"\n", 1, &["unknown key `config`"]),
    ] {
        let path = file("wrong", text);
        let told = load_with(&path, &[]).unwrap_err().to_string();
        assert!(told.starts_with(&format!("{}:{line}: ", path.display())), "{text}: {told}");
        for part in parts {
            assert!(told.contains(part), "{text}: {told}");
        }
    }
    let secret = load_with(&file("leak", "otlp-api-key = \"tooshort\"\n"), &[]).unwrap_err().to_string();
    assert!(!secret.contains("tooshort") && secret.contains("16 characters"), "{secret}");
    let missing = load_with(&PathBuf::from("/nowhere/poolscope.toml"), &[]).unwrap_err().to_string();
    assert!(missing.starts_with("/nowhere/poolscope.toml: can't be read"), "{missing}");
}

#[test]
fn no_bound_is_zero() {
    let mut command = <Program as clap::CommandFactory>::command();
    command.build();
    let bounds: Vec<&str> = file::keys(&command)
        .filter_map(clap::Arg::get_long)
        .filter(|flag| flag.contains("max-") || flag.contains("timeout"))
        .collect();
    assert!(bounds.len() > 20, "{bounds:?}");
    for flag in bounds {
        let told = load::<Program>(["program".to_owned(), format!("--{flag}=0")].map(OsString::from));
        let told = told.unwrap_err().to_string();
        assert!(told.contains("invalid value '0'") && told.contains("a whole number"), "{flag}: {told}");
    }
}

#[test]
fn a_bound_that_bounds_nothing_is_told_with_the_most() {
    for (flag, wrong, span) in [
        ("--max-history-mb", "99999999999999999999", "from 1 to 1048576"),
        ("--max-body-bytes", "100000000000", "from 1024 to 1073741824"),
        ("--max-inflated-bytes", "100000000000", "from 1024 to 1073741824"),
    ] {
        let told = load::<Program>(["program", flag, wrong].map(OsString::from)).unwrap_err().to_string();
        assert!(told.contains(span), "{told}");
    }
}

#[test]
fn a_variable_that_is_nearly_ours_is_an_error_and_that_of_others_is_none() {
    let command = <Program as clap::CommandFactory>::command();
    let told =
        |name: &str| load::slip_in([name.to_owned()].into_iter(), &command).map(|error| error.to_string());
    for (name, meant) in [
        ("POOLSCOPE_RETENTON", "did you mean POOLSCOPE_RETENTION?"),
        ("POOLSCOPE_MAX_POOL", "did you mean POOLSCOPE_MAX_POOLS?"),
        ("POOLSCOPE_DASHBOARD_RETENTION", "did you mean POOLSCOPE_RETENTION?"),
        ("POOLSCOPE_DASHBOARD_COLOUR", "--help lists all"),
    ] {
        let said = told(name).unwrap_or_else(|| panic!("{name}"));
        assert!(said.contains(name) && said.contains(meant), "{said}");
    }
    for name in [
        "POOLSCOPE_CACHE",
        "POOLSCOPE_CHROMIUM",
        "POOLSCOPE_UI_DIST",
        "POOLSCOPE_DASHBOARD_SERVICE_HOST",
        "POOLSCOPE_DASHBOARD_SERVICE_PORT_OTLP_HTTP",
        "POOLSCOPE_DASHBOARD_PORT",
        "POOLSCOPE_DASHBOARD_PORT_4320_TCP_ADDR",
        "POOLSCOPE_PORT_4317_TCP",
        "POOLSCOPE_TEST_CONFIG",
        "MAX_POOL",
    ] {
        assert_eq!(told(name), None, "{name}");
    }
    assert_eq!(told("POOLSCOPE_RETENTION"), None);
}

#[test]
fn every_setting_has_a_flag_a_variable_and_a_line_in_the_help() {
    let mut command = <Program as clap::CommandFactory>::command();
    command.build();
    for arg in file::keys(&command) {
        let long = arg.get_long().unwrap();
        let env = format!("POOLSCOPE_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(env.as_str()), "{long}");
        assert!(arg.get_help().is_some_and(|help| help.to_string().contains(' ')), "{long}");
    }
    let help = command.render_long_help().to_string();
    for heading in ["Addresses and time:", "Access:", "TLS:", "Limits"] {
        assert!(help.contains(heading), "{heading}");
    }
}
