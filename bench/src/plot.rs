//! The results as pictures, readable on a light page and on a dark one.

use std::path::Path;

use anyhow::{Result, anyhow};
use clap::ValueEnum as _;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::{Figure, Results};
use crate::scenarios::Scenario;

/// Grey that can be read on white and on black.
const TEXT: RGBColor = RGBColor(125, 133, 144);
const OURS: RGBColor = RGBColor(47, 129, 247);
const PEERS: RGBColor = RGBColor(150, 158, 168);
/// The measures of a picture.
const WIDTH: i32 = 760;
const LEFT: i32 = 170;
const RIGHT: i32 = 90;
const TOP: i32 = 40;
const STEP: i32 = 30;

/// Draws processor time for each request in every scenario that has it.
pub(crate) fn draw(results: &Results, folder: &Path) -> Result<()> {
    for scenario in Scenario::value_variants() {
        let figures: Vec<&Figure> = results
            .of(scenario.name())
            .filter(|figure| figure.load == "saturated")
            .collect();
        if figures.len() > 1 {
            let path = folder.join(format!("{}.svg", scenario.name()));
            bars(&path, scenario.words(), &figures).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn bars(path: &Path, words: &str, figures: &[&Figure]) -> Result<(), Box<dyn std::error::Error>> {
    let rows = i32::try_from(figures.len())?;
    let height = TOP + rows * STEP + 10;
    let area = SVGBackend::new(path, (u32::try_from(WIDTH)?, u32::try_from(height)?)).into_drawing_area();
    let most = figures
        .iter()
        .map(|figure| cpu(figure))
        .fold(f64::MIN_POSITIVE, f64::max);
    let style = |size: i32, across: HPos| {
        let style = TextStyle::from(("sans-serif", size).into_font()).color(&TEXT);
        style.pos(Pos::new(across, VPos::Center))
    };
    area.draw_text(
        &format!("{words}: CPU µs per request"),
        &style(16, HPos::Left),
        (8, TOP / 2),
    )?;
    for (row, figure) in (0..).zip(figures) {
        let (value, top) = (cpu(figure), TOP + row * STEP);
        #[expect(clippy::cast_possible_truncation, reason = "a part of the width")]
        let length = (f64::from(WIDTH - LEFT - RIGHT) * value / most) as i32;
        let color = if figure.contender.starts_with("gatehouse") {
            OURS
        } else {
            PEERS
        };
        let middle = top + STEP / 2;
        area.draw_text(&figure.contender, &style(14, HPos::Right), (LEFT - 8, middle))?;
        area.draw(&Rectangle::new(
            [(LEFT, top + 5), (LEFT + length, top + STEP - 5)],
            color.filled(),
        ))?;
        area.draw_text(
            &format!("{value:.1}"),
            &style(14, HPos::Left),
            (LEFT + length + 6, middle),
        )?;
    }
    area.present()?;
    Ok(())
}

fn cpu(figure: &Figure) -> f64 {
    figure.median(|round| round.cpu_us)
}
