//! What Linux tells of the process, under the names that every exporter of Prometheus gives it.

use procfs::process::{LimitValue, Process, Stat};

use super::text::Text;

/// Read from `/proc/self`.
pub(super) struct Usage {
    stat: Stat,
    open_descriptors: Option<usize>,
    most_descriptors: Option<u64>,
}

impl Usage {
    /// Reads files of the kernel's: to be called where waiting harms nobody. `None`: there is no `/proc`.
    pub(super) fn read() -> Option<Self> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let most_descriptors = process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Value(most) => Some(most),
            LimitValue::Unlimited => None,
        });
        Some(Self { stat, open_descriptors: process.fd_count().ok(), most_descriptors })
    }

    pub(super) fn write(&self, text: &mut Text) {
        let ticks = self.stat.utime + self.stat.stime;
        #[allow(clippy::cast_precision_loss, reason = "a sum of seconds")]
        let seconds = ticks as f64 / procfs::ticks_per_second() as f64;
        text.counter("process_cpu_seconds_total", "CPU time of the process", seconds);
        let memory = self.stat.rss.saturating_mul(procfs::page_size());
        text.gauge("process_resident_memory_bytes", "Memory of the process that is not swapped out", memory);
        text.gauge("process_threads", "Threads of the process", self.stat.num_threads);
        if let Some(open) = self.open_descriptors {
            text.gauge("process_open_fds", "Open file descriptors", open);
        }
        if let Some(most) = self.most_descriptors {
            text.gauge("process_max_fds", "File descriptors that the system grants", most);
        }
    }
}
