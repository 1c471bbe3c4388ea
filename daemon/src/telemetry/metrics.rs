//! The recorder of the process's metrics.

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds, in seconds, of every histogram that ends in `_seconds`: 50 µs to 10 s.
const SECONDS_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Installs the recorder of the process's metrics. There is one for a process: a second call gets the same handle.
///
/// Whoever calls this must call `run_upkeep` of the handle every few seconds, else histograms grow until a scrape.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()?;
    *installed = Some(handle.clone());
    Ok(handle)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_one_recorder_however_often_they_are_installed() {
        let first = install_metrics().unwrap();
        install_metrics().unwrap();
        metrics::histogram!("orchd_test_seconds").record(0.002);
        assert!(first.render().contains("orchd_test_seconds_bucket{le=\"0.0025\"} 1"));
    }
}
