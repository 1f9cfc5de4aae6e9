//! The file with everything that can be wrong with it.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::*;
use crate::config::{Config, Limits};
use crate::model::*;
use crate::store::{Id, Since, Wanted, WarningFilter};

const MB: u64 = 1024 * 1024;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("poolscope-file-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("history.poolscope")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn app(path: &Path) -> Arc<App> {
    let config = Config { store: Some(path.to_owned()), store_max_mb: 16, ..Config::default() };
    Arc::new(App::on_loopback(config))
}

const SENDER: Sender<'static> = Sender { service: "shop", instance: "one", language: "rust", version: "1" };

/// A report of a pool and a breaker, and an event.
fn report(app: &App, at_ms: u64, count: u64) {
    let reading = |series, value| Reading {
        series,
        start_ns: (at_ms - 3_600_000) * 1_000_000,
        time_ns: at_ms * 1_000_000,
        value: Value::Number { value, delta: false },
    };
    let pool = |figure, label: &'static str, value| PoolReading {
        destination: Destination::new("web", "https", "pay", Some(443)),
        figure,
        label: label.into(),
        marked: false,
        phase: None,
        observation: poolscope_semconv::value::Observation::Exact,
        protocol: None,
        reading: reading(figure as u64, value),
    };
    let breaker =
        |figure, label, value| BreakerReading { name: "pay:443", figure, label, reading: reading(9, value) };
    let report = Report {
        sender: SENDER,
        pools: vec![
            pool(PoolFigure::Open, "active", count as f64),
            pool(PoolFigure::Opened, "", count as f64 * 10.0),
        ],
        breakers: vec![breaker(BreakerFigure::State, "closed", 1.0)],
        sessions: vec![SessionReading {
            name: "chat",
            figure: SessionFigure::Active,
            label: "",
            reading: reading(10, count as f64),
        }],
        protection: vec![ProtectionReading {
            name: "web",
            guard: "",
            figure: ProtectionFigure::LimitInUse,
            label: "".into(),
            reading: reading(11, count as f64),
        }],
        ..Report::default()
    };
    app.store().take_metrics(&[report], at_ms);
    let event = EventRecord {
        sender: SENDER,
        name: "poolscope.breaker.transition",
        time_ns: at_ms * 1_000_000,
        severity: 9,
        body: None,
        attributes: vec![
            ("poolscope.breaker.name", "pay:443".into()),
            ("poolscope.breaker.from", "closed".into()),
            ("poolscope.breaker.to", "closed".into()),
        ],
        dropped_attributes: 0,
        trace_id: &[],
        rows: Vec::new(),
    };
    app.store().take_events(&[event], at_ms);
}

fn all(app: &App) -> poolscope_wire::PoolDetail {
    let store = app.store();
    let id = Id::parse(&store.pools().first().expect("a pool").id).unwrap();
    let wanted = Wanted { since: Since::Moment(1), to_ms: None, max_points: 10_000 };
    store.pool(id, wanted, now_ms()).unwrap()
}

/// The histories of sessions and of a limit, and what a sparkline of the sessions shows.
fn courses(app: &App) -> [String; 3] {
    let trace_limits = app.trace_limits();
    let mut store = app.store();
    let wanted = Wanted { since: Since::Moment(1), to_ms: Some(now_ms()), max_points: 10_000 };
    let session = Id::parse(&store.sessions()[0].id).unwrap();
    let limit = Id::parse(&store.protection()[0].id).unwrap();
    let session = store.session_figures(session, false, wanted, now_ms()).unwrap().answer();
    let limit = store.protection_figures(limit, false, wanted, now_ms()).unwrap().answer();
    assert_eq!(session.points.len(), 50);
    let status = app.status(&store, trace_limits, now_ms());
    let recent = store.full(status, false).session_history;
    [format!("{:?}", session.points), format!("{:?}", limit.points), format!("{recent:?}")]
}

/// Opens a file that can't be used; what the About page says, and that the file is as it was.
async fn refused(path: &Path) -> String {
    let before = fs::read(path).unwrap();
    let app = app(path);
    assert!(open(app.clone()).await.is_none());
    assert_eq!(fs::read(path).unwrap(), before, "the file is not touched");
    let problem = app.store_file().clone().unwrap().problem.unwrap();
    report(&app, now_ms(), 1);
    assert!(app.store().take_changes(now_ms()).steps.iter().all(Vec::is_empty));
    assert!(app.traces().take_changes().is_empty());
    problem
}

#[tokio::test]
async fn history_survives_a_restart() {
    let folder = Folder::new();
    let begin = now_ms() - 60_000;
    let first = app(&folder.path());
    let mut keeper = open(first.clone()).await.unwrap();
    for second in 0..50 {
        report(&first, begin + second * 1_000, second);
        if second % 7 == 0 {
            keeper = keeper.round(&first).await;
        }
    }
    let (before, courses_before) = (all(&first), courses(&first));
    keep(first.clone(), keeper, async {}).await;
    assert!(first.store_file().clone().unwrap().written_ms.is_some());

    let second = app(&folder.path());
    let keeper = open(second.clone()).await.unwrap();
    let after = all(&second);
    assert_eq!(after.points, before.points);
    assert_eq!(courses(&second), courses_before);
    assert_eq!((after.summary.id, after.summary.client), (before.summary.id, before.summary.client));
    assert_eq!(after.summary.now, before.summary.now);
    assert_eq!((after.summary.requests_total, after.summary.opened_total), (None, None), "not counted yet");
    let breakers = (first.store().breakers(), second.store().breakers());
    assert_eq!(breakers.0[0].transitions, breakers.1[0].transitions);
    assert_eq!(breakers.1[0].transitions.len(), 50);
    let events = |app: &App| app.store().events(Default::default(), 1_000);
    assert_eq!(events(&first), events(&second));

    // It goes on where it was, and the time without a server is a silence, if it was long.
    report(&second, begin + 50_000, 50);
    report(&second, begin + 59_000, 51);
    let detail = all(&second);
    assert_eq!(detail.points.len(), 52);
    assert_eq!(detail.range.silences.len(), 1);
    assert_eq!(detail.range.silences[0].to_ms, begin + 59_000);
    assert!(events(&second).windows(2).all(|pair| pair[0].id > pair[1].id));
    drop(keeper);
}

#[tokio::test]
async fn past_warnings_survive_a_restart() {
    let folder = Folder::new();
    let begin = now_ms() - 120_000;
    let first = app(&folder.path());
    let keeper = open(first.clone()).await.unwrap();
    for (second, value) in [(0, 3.0), (1, 5.0), (2, 4.0)] {
        let at_ms = begin + second * 1_000;
        let reading = Reading {
            series: 1,
            start_ns: begin * 1_000_000,
            time_ns: at_ms * 1_000_000,
            value: Value::Number { value, delta: false },
        };
        let overdue = SessionReading { name: "chat", figure: SessionFigure::Overdue, label: "", reading };
        let report = Report { sender: SENDER, sessions: vec![overdue], ..Report::default() };
        let mut store = first.store();
        store.take_metrics(&[report], at_ms);
        store.tick(at_ms);
    }
    let log = |app: &App| {
        let filter = WarningFilter { to_ms: u64::MAX, ..WarningFilter::default() };
        app.store().warning_log(filter, 10, now_ms())
    };
    keep(first.clone(), keeper, async {}).await;
    let before = log(&first);
    assert_eq!((before.warnings.len(), before.warnings[0].to_ms), (1, None));
    let second = app(&folder.path());
    let keeper = open(second.clone()).await.unwrap();
    let after = log(&second);
    assert_eq!((after.warnings.len(), after.since_ms), (1, begin));
    let past = &after.warnings[0];
    assert!(past.warning.sentence.starts_with("5 sessions"), "at its worst: {}", past.warning.sentence);
    assert_eq!((past.from_ms, past.to_ms), (begin, Some(begin + 2_000)), "until it was last heard");
    drop(keeper);
}

#[tokio::test]
async fn what_a_crash_leaves_is_whole() {
    let folder = Folder::new();
    let begin = now_ms() - 100_000;
    let first = app(&folder.path());
    let mut keeper = open(first.clone()).await.unwrap();
    for second in 0..40 {
        report(&first, begin + second * 1_000, second);
        if second == 30 {
            keeper = keeper.round(&first).await;
        }
    }
    // As a crash leaves it: what was written, and nothing after.
    let crashed = folder.0.join("crashed.poolscope");
    fs::copy(folder.path(), &crashed).unwrap();
    drop(keeper);
    let second = app(&crashed);
    let keeper = open(second.clone()).await.unwrap();
    let points = all(&second).points;
    assert_eq!(points.len(), 30, "all but the newest report, which was not complete");
    assert_eq!(points.last().unwrap().active, Some(29));
    drop(keeper);
}

#[tokio::test]
async fn a_file_that_another_process_writes_is_left_to_it() {
    let folder = Folder::new();
    let first = app(&folder.path());
    let keeper = open(first.clone()).await.unwrap();
    let problem = refused(&folder.path()).await;
    assert!(problem.contains("another process uses"), "{problem}");
    drop(keeper);
}

#[tokio::test]
async fn a_foreign_file_is_left_as_it_is() {
    let folder = Folder::new();
    for content in [&b"x"[..], b"# notes\n", &[0; 10_000], &[0xff; 100_000]] {
        fs::write(folder.path(), content).unwrap();
        let problem = refused(&folder.path()).await;
        assert!(problem.contains("is no file of Poolscope") || problem.contains("is damaged"), "{problem}");
        assert!(problem.contains("left as it is"), "{problem}");
    }
    fs::remove_file(folder.path()).unwrap();
    let other = Database::create(folder.path()).unwrap();
    let writer = other.begin_write().unwrap();
    writer.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 2).unwrap();
    writer.commit().unwrap();
    drop(other);
    let app = app(&folder.path());
    assert!(open(app.clone()).await.is_none());
    let problem = app.store_file().clone().unwrap().problem.unwrap();
    assert!(problem.contains("is no file of Poolscope"), "{problem}");
}

#[tokio::test]
async fn a_file_of_another_version_is_left_as_it_is() {
    let folder = Folder::new();
    let keeper = open(app(&folder.path())).await.unwrap();
    drop(keeper);
    let newer = Database::open(folder.path()).unwrap();
    let writer = newer.begin_write().unwrap();
    writer.open_table(TableDefinition::<&str, u64>::new("poolscope")).unwrap().insert("format", 77).unwrap();
    writer.commit().unwrap();
    drop(newer);
    let app = app(&folder.path());
    assert!(open(app.clone()).await.is_none());
    let problem = app.store_file().clone().unwrap().problem.unwrap();
    assert!(problem.contains("another version (format 77"), "{problem}");
}

#[tokio::test]
async fn a_file_of_the_version_before_is_made_one_of_this() {
    let folder = Folder::new();
    let begin = now_ms() - 60_000;
    let first = app(&folder.path());
    let keeper = open(first.clone()).await.unwrap();
    (0..20).for_each(|second| report(&first, begin + second * 1_000, second));
    keep(first.clone(), keeper, async {}).await;
    let before = all(&first);
    // As the version before wrote it.
    let older = Database::open(folder.path()).unwrap();
    let writer = older.begin_write().unwrap();
    writer.open_table(TableDefinition::<&str, u64>::new("poolscope")).unwrap().insert("format", 1).unwrap();
    for name in ["protection", "sessions", "instances"] {
        assert!(writer.delete_table(TableDefinition::<u64, &[u8]>::new(name)).unwrap(), "{name}");
    }
    for name in ["lanes", "traces", "warnings"] {
        assert!(writer.delete_table(TableDefinition::<u128, &[u8]>::new(name)).unwrap(), "{name}");
    }
    writer.commit().unwrap();
    drop(older);
    for _ in 0..2 {
        let again = app(&folder.path());
        let keeper = open(again.clone()).await.expect("it is upgraded");
        assert_eq!(all(&again).points, before.points);
        drop(keeper);
    }
    let now = Database::open(folder.path()).unwrap();
    let reader = now.begin_read().unwrap();
    let about = reader.open_table(TableDefinition::<&str, u64>::new("poolscope")).unwrap();
    assert_eq!(about.get("format").unwrap().unwrap().value(), 3);
}

#[tokio::test]
async fn a_damaged_file_is_told_or_read_and_ends_nothing() {
    let folder = Folder::new();
    let first = app(&folder.path());
    let keeper = open(first.clone()).await.unwrap();
    let begin = now_ms() - 600_000;
    (0..500).for_each(|second| report(&first, begin + second * 1_000, second));
    drop(keeper.round(&first).await);
    let whole = fs::read(folder.path()).unwrap();
    let mut told = 0;
    for seed in 0..40_usize {
        let mut damaged = whole.clone();
        match seed % 4 {
            0 => damaged.truncate(whole.len() * (seed + 1) / 50),
            1 => damaged[seed * 97 % 512..].iter_mut().take(64).for_each(|byte| *byte ^= 0x5a),
            2 => damaged[whole.len() * seed / 41..].iter_mut().take(4_096).for_each(|byte| *byte = 0),
            _ => damaged[4_096..].iter_mut().step_by(5_000 + seed).for_each(|byte| *byte ^= 0xff),
        }
        fs::write(folder.path(), &damaged).unwrap();
        let app = app(&folder.path());
        match open(app.clone()).await {
            None => {
                told += 1;
                assert!(app.store_file().clone().unwrap().problem.is_some());
            }
            Some(keeper) => drop(keeper.round(&app).await),
        }
        report(&app, now_ms(), 1);
        assert_eq!(app.store().pools().len(), 1);
    }
    assert!(told >= 20, "{told} of 40 damages were told");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let app = app(Path::new("/nowhere/at/all/history.poolscope"));
    assert!(open(app.clone()).await.is_none());
    let problem = app.store_file().clone().unwrap().problem.unwrap();
    assert!(problem.contains("can't be read or written"), "{problem}");
}

#[tokio::test]
async fn the_file_is_bounded() {
    let folder = Folder::new();
    let limits = Limits { max_pools: 10_000, ..Limits::default() };
    let config = Config {
        store: Some(folder.path()),
        store_max_mb: 4,
        retention_s: 30 * 86_400,
        limits,
        ..Config::default()
    };
    let app = Arc::new(App::on_loopback(config));
    let mut keeper = open(app.clone()).await.unwrap();
    let begin = now_ms() - 3_000_000;
    let hosts: Vec<String> = (0..200).map(|host| format!("host-{host}")).collect();
    for second in 0..500_u64 {
        let at_ms = begin + second * 1_000;
        for (index, host) in hosts.iter().enumerate() {
            let reading = Reading {
                series: index as u64,
                start_ns: begin * 1_000_000,
                time_ns: at_ms * 1_000_000,
                value: Value::Number { value: (second * 7 + index as u64) as f64, delta: false },
            };
            let reading = PoolReading {
                destination: Destination::new("web", "https", host, Some(443)),
                figure: PoolFigure::Opened,
                label: "".into(),
                marked: false,
                phase: None,
                observation: poolscope_semconv::value::Observation::Exact,
                protocol: None,
                reading,
            };
            let report = Report { sender: SENDER, pools: vec![reading], ..Report::default() };
            app.store().take_metrics(&[report], at_ms);
        }
        if second % 10 == 0 {
            keeper = keeper.round(&app).await;
        }
    }
    let file = app.store_file().clone().unwrap();
    assert_eq!(file.problem, None);
    assert!(file.bytes <= 4 * MB + 4 * MB / 50, "{} bytes", file.bytes);
    drop(keeper);
    let config = Config { store: Some(folder.path()), store_max_mb: 4, ..Config::default() };
    let again = Arc::new(App::on_loopback(config));
    let keeper = open(again.clone()).await.unwrap();
    assert_eq!(again.store().pools().len(), 0, "silent for longer than the overview shows");
    assert_eq!(
        again.store().limits().iter().find(|limit| limit.name == "silent pools with history").unwrap().used,
        200
    );
    drop(keeper);
}
