//! The screen. Everything that matters is a word; colours only help.

use poolscope_wire::Severity;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::app::{App, View};
use super::detail;
use crate::cli::picture::{Picture, Row, name, word};
use crate::cli::snapshot::headline;
use crate::cli::text::{cut, duration, fit, fit_right, number, percent, plain};

/// How it may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    has_colours: bool,
    has_blocks: bool,
}

impl Look {
    /// By what the user's environment says: NO_COLOR, and whether the locale can show more than ASCII.
    pub(super) fn of_environment(value: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| value(name).filter(|value| !value.is_empty());
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        let has_blocks = locale.contains("utf-8") || locale.contains("utf8");
        let is_dumb = set("TERM").is_some_and(|term| term == "dumb");
        Self { has_colours: set("NO_COLOR").is_none() && !is_dumb, has_blocks }
    }

    fn of_severity(self, severity: Severity, is_gone: bool) -> Style {
        let style = match severity {
            _ if is_gone => return Style::new().add_modifier(Modifier::DIM),
            Severity::Ok => Style::new(),
            Severity::Warn => Style::new().fg(Color::Yellow),
            Severity::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        };
        if self.has_colours { style } else { Style { fg: None, ..style } }
    }

    /// Heights of values, the greatest as high as can be; a blank where nothing is known.
    fn trend(self, values: &[Option<f64>]) -> String {
        let steps: &[char] = if self.has_blocks {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['_', '.', '-', '=', '#']
        };
        let most = values.iter().flatten().copied().fold(0.0, f64::max);
        let step = |value: f64| {
            if most > 0.0 { (value / most * (steps.len() - 1) as f64).round() as usize } else { 0 }
        };
        values
            .iter()
            .map(|value| value.map_or(' ', |value| steps[step(value).min(steps.len() - 1)]))
            .collect()
    }
}

/// Draws all.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, look: Look) {
    let area = frame.area();
    let head = head(app, look);
    let head_lines = if head.width() > usize::from(area.width) { 2 } else { 1 };
    let warnings = match (&app.view, area.height) {
        (View::Overview, 20..) => 5,
        (View::Overview, 12..) => 3,
        _ => 0,
    };
    let warnings = warnings.min(app.picture().warnings.len() as u16 + 1);
    let [top, middle, bottom, foot] = Layout::vertical([
        Constraint::Length(head_lines),
        Constraint::Fill(1),
        Constraint::Length(warnings),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(head).wrap(Wrap { trim: true }), top);
    match app.view.clone() {
        View::Overview => {
            table(frame, middle, app, look);
            self::warnings(frame, bottom, app.picture(), look);
        }
        View::Help => text(frame, middle, app, detail::HELP.iter().map(|line| (*line).to_owned()).collect()),
        View::Details(id) => {
            let row = app.picture().rows("").into_iter().find(|row| row.pool.id == id);
            let lines = match row {
                Some(row) => detail::lines(app.picture(), row),
                None => vec!["This pool is not there any more; esc goes back.".to_owned()],
            };
            text(frame, middle, app, lines);
        }
    }
    frame.render_widget(Line::styled(cut(&foot_text(app), foot.width.into()), Modifier::DIM), foot);
}

fn head(app: &App, look: Look) -> Line<'static> {
    let mut spans = Vec::new();
    if let Some(age) = app.age_s().filter(|_| app.lost.is_some()) {
        let style = look.of_severity(Severity::Bad, false);
        spans.push(Span::styled(format!("LOST, {age} s old | "), style));
    } else if app.age_s().is_none() {
        spans.push(Span::raw("waiting for the picture | "));
    }
    if app.is_paused() {
        spans.push(Span::styled("PAUSED | ", Modifier::BOLD));
    }
    spans.push(Span::styled(headline(app.picture()), Modifier::BOLD));
    Line::from(spans)
}

fn foot_text(app: &App) -> String {
    match (&app.lost, &app.view) {
        _ if app.is_typing => format!("/{}_  enter: keep, esc: clear", app.filter),
        (Some(why), _) => plain(why),
        (None, View::Overview) if !app.filter.is_empty() => {
            format!("filter {:?}, esc: clear | ?: help | q: end", plain(&app.filter))
        }
        (None, View::Overview) => "?: help | enter: details | /: filter | space: pause | q: end".to_owned(),
        (None, _) => "esc: back | j k: scroll | q: end".to_owned(),
    }
}

/// Columns of each part of a row at this width: name, sentence, figures (open, waiting, requests, reuse, wait), trend.
fn columns(width: u16) -> (usize, usize, bool, usize) {
    let width = usize::from(width);
    let (name, figures, trend) = match width {
        120.. => (36, true, 20),
        70.. => (24, false, 10),
        _ => (width * 2 / 5, false, 0),
    };
    let used = STATE + name + 1 + if figures { FIGURES } else { 7 * usize::from(trend > 0) } + trend + 2;
    (name, width.saturating_sub(used), figures, trend)
}

/// Mark, state and a blank.
const STATE: usize = 6;
/// Five figures of seven columns and their blanks.
const FIGURES: usize = 40;

fn table(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
    let picture = app.picture();
    let rows = picture.rows(&app.filter);
    if rows.is_empty() {
        let sentence = match (app.filter.is_empty(), app.age_s()) {
            (false, _) => "No pool has these words.".to_owned(),
            (true, None) => String::new(),
            (true, Some(_)) => picture.none_known(),
        };
        frame.render_widget(Paragraph::new(sentence).wrap(Wrap { trim: true }), area);
        return;
    }
    let (name_width, sentence, has_figures, trend) = columns(area.width);
    let mut title =
        format!("{} {} {}", fit(" STAT", STATE - 1), fit("POOL", name_width), fit("WHAT", sentence));
    if has_figures {
        for figure in ["OPEN", "WAITING", "REQ/S", "REUSE", "P99"] {
            title += &format!(" {}", fit_right(figure, 7));
        }
    } else if trend > 0 {
        title += &fit_right("REQ/S", 7);
    }
    if trend > 0 {
        title += " TREND";
    }
    let room = usize::from(area.height).saturating_sub(1).max(1);
    let selected = app.selected();
    // The chosen row is always seen, and the worst as long as it can be.
    let skipped = (selected + 1).saturating_sub(room);
    let mut lines = vec![Line::styled(cut(&title, area.width.into()), Modifier::UNDERLINED)];
    lines.extend(rows.iter().enumerate().skip(skipped).take(room).map(|(place, row)| {
        let line = line(picture, *row, place == selected, columns(area.width), look);
        if place == selected { line.patch_style(Modifier::REVERSED) } else { line }
    }));
    frame.render_widget(Paragraph::new(lines), area);
}

fn line(
    picture: &Picture,
    row: Row<'_>,
    is_selected: bool,
    (name_width, sentence, has_figures, trend): (usize, usize, bool, usize),
    look: Look,
) -> Line<'static> {
    let pool = row.pool;
    let style = look.of_severity(pool.health.severity, pool.stale);
    let mark = if is_selected { '>' } else { ' ' };
    let state = format!("{mark}{}", fit(row.word(), STATE - 1));
    let text = format!("{} {}", fit(&name(pool), name_width), fit(&row.sentence(), sentence));
    let mut spans = vec![Span::styled(state, style), Span::raw(text)];
    let rate = number(pool.now.requests_per_s.map(f64::from));
    if has_figures {
        let figures = [
            number(row.open()),
            number(pool.now.pending.map(f64::from)),
            rate,
            percent(pool.reuse.map(f64::from)),
            duration(pool.wait_p99_s.map(f64::from)),
        ];
        spans.extend(figures.into_iter().map(|figure| Span::raw(format!(" {}", fit_right(&figure, 7)))));
    } else if trend > 0 {
        spans.push(Span::raw(fit_right(&rate, 7)));
    }
    if trend > 0 {
        spans.push(Span::raw(format!(" {}", look.trend(&picture.trend(row, trend)))));
    }
    Line::from(spans)
}

fn warnings(frame: &mut Frame<'_>, area: Rect, picture: &Picture, look: Look) {
    let all = picture.warnings();
    let room = usize::from(area.height).saturating_sub(1);
    let title = match all.len().saturating_sub(room) {
        _ if all.is_empty() => "WARNINGS: none".to_owned(),
        0 => "WARNINGS".to_owned(),
        more => format!("WARNINGS, and {more} more"),
    };
    let mut lines = vec![Line::styled(fit(&title, area.width.into()), Modifier::UNDERLINED)];
    lines.extend(all.into_iter().take(room).map(|warning| {
        let state = fit(word(warning.severity, false), STATE - 1);
        let text = format!(" {}: {}", plain(&warning.name), plain(&warning.sentence));
        Line::from(vec![
            Span::styled(format!(" {state}"), look.of_severity(warning.severity, false)),
            Span::raw(cut(&text, usize::from(area.width).saturating_sub(STATE))),
        ])
    }));
    frame.render_widget(Paragraph::new(lines), area);
}

/// Lines that can be scrolled as far as there is something.
fn text(frame: &mut Frame<'_>, area: Rect, app: &mut App, lines: Vec<String>) {
    let broken: usize = lines
        .iter()
        .map(|line| Span::raw(line).width().div_ceil(usize::from(area.width.max(1))).max(1))
        .sum();
    let most = broken.saturating_sub(usize::from(area.height) / 2);
    app.scroll = app.scroll.min(u16::try_from(most).unwrap_or(u16::MAX));
    let lines: Vec<_> = lines.into_iter().map(Line::from).collect();
    let paragraph = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((app.scroll, 0));
    frame.render_widget(paragraph, area);
}

#[cfg(test)]
mod tests;
