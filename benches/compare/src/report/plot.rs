//! Latency distributions as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::Report;
use crate::{
    job::{System, Work},
    run::Case,
};

/// Draws the distribution of each kind of work with latencies to `<out>/<work>-latency.svg`.
pub fn latencies(report: &Report, out: &Path) -> Result<()> {
    for (case, _) in &report.cases {
        if matches!(case.work, Work::Ask { .. } | Work::Interest { .. }) {
            let file = out.join(format!("{}-latency.svg", case.id));
            draw(report, case, &file).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        }
    }
    Ok(())
}

/// Draws the share of messages as a function of the latency that they do not exceed; each latency
/// is the median over the rounds.
fn draw(report: &Report, case: &Case, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = Vec::new();
    for system in System::ALL {
        let points: Vec<(f64, f64)> = (0..=999)
            .filter_map(|i| {
                let share = f64::from(i) / 1000.0;
                let time = report.spread(case.id, system, |outcome| outcome.latency(share))?;
                Some((time.median / 1e3, share * 100.0))
            })
            .collect();
        if !points.is_empty() {
            lines.push((system, points));
        }
    }
    let ends = lines
        .iter()
        .flat_map(|(_, points)| [points[0].0, points[points.len() - 1].0]);
    let (low, high) = ends.fold((f64::MAX, 1.0_f64), |(low, high), at| {
        (low.min(at), high.max(at))
    });
    if lines.is_empty() {
        return Ok(());
    }
    let area = SVGBackend::new(file, (800, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{}: {}", case.id.to_uppercase(), case.title);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((low.max(1.0) * 0.9..high * 1.1).log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc("microseconds")
        .y_desc("% within")
        .draw()?;
    for (at, (system, points)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(system.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
