//! Charts as a picture that stands for itself: an SVG with its colours, its title and its time in it. Pure.

use std::fmt::Write as _;

use super::{
    scale::Scale,
    series::{Chart, Drawing, Frame, Shape},
    ticks,
};
use crate::{
    format,
    time::{range::Span, zone},
};

/// Width of one chart.
const WIDTH: f64 = 640.0;

/// Height of one chart with its title.
const HEIGHT: f64 = 210.0;

/// Room around the whole.
const MARGIN: f64 = 20.0;

/// Height of the two lines on top.
const HEAD: f64 = 56.0;

/// Where in its cell a chart draws.
pub const FRAME: Frame = Frame { left: 56.0, right: WIDTH - 140.0, top: 34.0, bottom: HEIGHT - 30.0 };

/// One chart of a picture.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which chart.
    pub chart: &'static Chart,
    /// Laid out in [`FRAME`].
    pub drawing: Drawing,
    /// The figure of each series at the end.
    pub values: Vec<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The SVG.
    pub svg: String,
    /// Its width in pixels.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// Puts charts under one another, two beside each other where there are several. `colour` tells the colour of a class of
/// a series, and of `ink`, `soft`, `line` and `bg`.
#[must_use]
pub fn picture(
    title: &str,
    about: &str,
    parts: &[Part],
    span: Span,
    colour: impl Fn(&str) -> String,
) -> Picture {
    let columns = if parts.len() > 1 { 2 } else { 1 };
    let width = WIDTH * columns as f64 + 2.0 * MARGIN;
    let height = HEAD + HEIGHT * parts.len().div_ceil(columns) as f64 + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{}\"><rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>",
        colour("ink"),
        colour("bg")
    );
    push_text(&mut svg, (MARGIN, 28.0), title, "font-size=\"16\" font-weight=\"600\"");
    push_text(&mut svg, (MARGIN, 47.0), about, &format!("fill=\"{}\"", colour("soft")));
    for (place, part) in parts.iter().enumerate() {
        let x = MARGIN + WIDTH * (place % columns) as f64;
        let y = HEAD + HEIGHT * (place / columns) as f64;
        // Writing to a string cannot fail.
        let _ = write!(svg, "<g transform=\"translate({x} {y})\">");
        push_part(&mut svg, part, span, &colour);
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    Picture { svg, width, height }
}

fn push_part(svg: &mut String, part: &Part, span: Span, colour: &impl Fn(&str) -> String) {
    let Part { chart, drawing, values } = part;
    let (line, soft) = (colour("line"), format!("fill=\"{}\"", colour("soft")));
    push_text(svg, (0.0, 18.0), chart.title, "font-size=\"13\" font-weight=\"600\"");
    for mark in &drawing.ticks {
        let y = mark.y;
        let _ = write!(svg, "<path d=\"M{} {y:.1}H{}\" stroke=\"{line}\"/>", FRAME.left, FRAME.right);
        push_text(svg, (FRAME.left - 8.0, y + 4.0), &mark.text, &format!("text-anchor=\"end\" {soft}"));
    }
    let x = Scale::new((span.from_ms as f64, span.to_ms as f64), (FRAME.left, FRAME.right));
    for at in ticks::times(span.from_ms, span.to_ms, 5, zone::offset_min) {
        let place = (x.map(at as f64), FRAME.bottom + 17.0);
        push_text(svg, place, &format::tick_time(at), &format!("text-anchor=\"middle\" {soft}"));
    }
    for (index, series) in chart.series.iter().enumerate().rev() {
        let (path, ink) = (&drawing.paths[index], colour(series.class));
        let look = match chart.shape {
            Shape::Stack => format!("fill=\"{ink}\" fill-opacity=\"0.8\""),
            Shape::Steps | Shape::Lines => {
                format!("fill=\"none\" stroke=\"{ink}\" stroke-width=\"1.8\" stroke-linecap=\"round\"")
            }
        };
        let _ = write!(svg, "<path d=\"{path}\" {look}/>");
        if let Some(before) = drawing.before.get(index) {
            let _ =
                write!(svg, "<path d=\"{before}\" fill=\"none\" stroke=\"{ink}\" stroke-dasharray=\"4 3\"/>");
        }
        if let Some(y) = drawing.label_heights[index] {
            let x = FRAME.right + 8.0;
            let _ =
                write!(svg, "<rect x=\"{x}\" y=\"{:.1}\" width=\"8\" height=\"8\" fill=\"{ink}\"/>", y - 4.0);
            push_text(svg, (x + 13.0, y + 4.0), &format!("{} {}", series.name, values[index]), "");
        }
    }
}

fn push_text(svg: &mut String, (x, y): (f64, f64), text: &str, look: &str) {
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {look}>");
    for letter in text.chars() {
        match letter {
            '<' => svg.push_str("&lt;"),
            '&' => svg.push_str("&amp;"),
            // XML has no form for these.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => svg.push(' '),
            _ => svg.push(letter),
        }
    }
    svg.push_str("</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{
        grain::Grain,
        series::{CHARTS, Course},
    };

    const SPAN: Span = Span { from_ms: 0, to_ms: 60_000 };

    fn part(chart: &'static Chart) -> Part {
        let grain = Grain::default();
        let course = Course { points: &[], grain: &grain };
        let drawing = Drawing::new(chart, course, course, SPAN, FRAME);
        Part { chart, drawing, values: vec!["5".to_owned(); chart.series.len()] }
    }

    #[test]
    fn names_are_text_in_a_picture_too() {
        let picture =
            picture("<script>&\u{1}", "21 Nov, UTC", &[part(&CHARTS[0])], SPAN, |name| format!("of-{name}"));
        assert!(picture.svg.contains(">&lt;script>&amp; </text>"), "{}", picture.svg);
        assert!(!picture.svg.contains("<script>"));
        assert!(picture.svg.contains("21 Nov, UTC") && picture.svg.contains("Connections"));
        assert!(picture.svg.contains("fill=\"of-c-active\"") && picture.svg.contains("fill=\"of-bg\""));
        assert!(picture.svg.contains(">active 5<"));
    }

    #[test]
    fn several_charts_stand_in_two_columns() {
        let one = picture("", "", &[part(&CHARTS[0])], SPAN, str::to_owned);
        let parts: Vec<Part> = CHARTS.iter().map(part).collect();
        let all = picture("", "", &parts, SPAN, str::to_owned);
        assert_eq!(all.width, 2.0 * WIDTH + 2.0 * MARGIN);
        assert_eq!(all.height - one.height, 3.0 * HEIGHT);
        assert_eq!(all.svg.matches("<g ").count(), 8);
    }
}
