//! Says when the config's files, or those of its secrets, may have changed.
//!
//! Directories are watched, not files: editors write a new file and rename it over the old one, and Kubernetes swaps a
//! symlink two steps away. Every directory that holds a part of the way to a file (the file, or a link on its path) is
//! watched, and only events about such a part count: a database beside the config must not cause reloads.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::GlobMatcher;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::include::{is_glob, matcher};
use super::rule_files::sources;

/// How long it must be quiet before a change counts: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(200);
/// After so many events in a row without a quiet moment the change counts all the same.
const MOST_IN_A_ROW: usize = 50;
/// Links followed on the way to a file; the kernel follows as many.
const MAX_LINKS: usize = 40;

/// A watch over a config and what it includes. Ends when dropped.
pub struct Watch {
    path: PathBuf,
    patterns: Vec<PathBuf>,
    interest: Interest,
    raw: mpsc::Sender<()>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Starts watching; the receiver gets a tick after every change, once it is quiet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no watch (inotify's limits, for one).
    pub fn start(path: &Path) -> notify::Result<(Self, mpsc::Receiver<()>)> {
        let path = std::path::absolute(path)?;
        // One waiting event and one waiting tick say all there is to say: "look again".
        let (raw, events) = mpsc::channel(1);
        let (ticks, receiver) = mpsc::channel(1);
        tokio::spawn(debounce(events, ticks));
        let found = sources(&path);
        let interest = Interest::of(&found.files, &found.patterns);
        let watcher = watch(&interest, &raw)?;
        Ok((Self { path, patterns: found.patterns, interest, raw, _watcher: watcher }, receiver))
    }

    /// Watches what the config names now. Call it after every reload, refused ones too; where that changes what is
    /// watched a tick follows, because a change may have come before the watch.
    ///
    /// # Errors
    /// As [`Watch::start`]; the former watch then stays.
    pub fn rearm(&mut self) -> notify::Result<()> {
        let mut found = sources(&self.path);
        // A config that does not parse says nothing about includes: keep to those of the last one that did.
        if found.patterns.is_empty() {
            found.patterns.clone_from(&self.patterns);
        }
        let interest = Interest::of(&found.files, &found.patterns);
        if interest != self.interest {
            self._watcher = watch(&interest, &self.raw)?;
            (self.interest, self.patterns) = (interest, found.patterns);
            // Full: an event is waiting already.
            let _ = self.raw.try_send(());
        }
        Ok(())
    }
}

async fn debounce(mut events: mpsc::Receiver<()>, ticks: mpsc::Sender<()>) {
    while events.recv().await.is_some() {
        for _ in 0..MOST_IN_A_ROW {
            match tokio::time::timeout(QUIET, events.recv()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => break,
            }
        }
        // Full: the tick before this one has not been taken yet, and whoever takes it will see this change too.
        if let Err(mpsc::error::TrySendError::Closed(())) = ticks.try_send(()) {
            return;
        }
    }
}

fn watch(interest: &Interest, raw: &mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let filter = Arc::new(interest.compile());
    let raw = raw.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error (a queue that overflowed, say) may hide a change.
        if event.map_or(true, |event| filter.wants(&event)) {
            let _ = raw.try_send(());
        }
    })?;
    for dir in &interest.directories {
        match watcher.watch(dir, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            // It went away since we looked; the watch over where it stood tells when it comes back.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(watcher)
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Which directories to watch, and which of their entries count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Interest {
    directories: BTreeSet<PathBuf>,
    /// Files, links, and directories that do not exist yet, by real path.
    parts: BTreeSet<PathBuf>,
    /// Real directory and the glob of a name in it.
    globs: BTreeSet<(PathBuf, String)>,
}

impl Interest {
    fn of(files: &[PathBuf], patterns: &[PathBuf]) -> Self {
        let mut interest = Self::default();
        for file in files {
            interest.add(file);
        }
        for pattern in patterns {
            interest.add_pattern(pattern);
        }
        interest
    }

    /// Walks to `path` one segment at a time, and takes up every link, the end, and the first part that is missing.
    fn add(&mut self, path: &Path) -> PathBuf {
        let mut here = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = segments(path).collect();
        let mut links = 0;
        while let Some(segment) = ahead.pop_front() {
            if segment == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&segment);
            let target = next.read_link().ok().filter(|_| links < MAX_LINKS);
            if target.is_some() || ahead.is_empty() || !next.exists() {
                self.parts.insert(next.clone());
                if here.is_dir() {
                    self.directories.insert(here.clone());
                }
            }
            match target {
                Some(target) => {
                    links += 1;
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    segments(&target).collect::<Vec<_>>().into_iter().rev().for_each(|part| ahead.push_front(part));
                }
                None => here = next,
            }
        }
        here
    }

    /// The directories a pattern can match in, and the glob of names in each.
    fn add_pattern(&mut self, pattern: &Path) {
        let mut found = vec![PathBuf::from("/")];
        for segment in segments(pattern) {
            let text = segment.to_string_lossy();
            if !is_glob(&text) {
                found.iter_mut().for_each(|dir| dir.push(&segment));
                continue;
            }
            let Ok(fits) = matcher(&text) else { return };
            let mut deeper = Vec::new();
            for dir in found {
                let real = self.add(&dir);
                if real.is_dir() {
                    self.directories.insert(real.clone());
                }
                self.globs.insert((real, text.clone().into_owned()));
                let entries = dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
                deeper.extend(entries.filter(|name| fits.is_match(name)).map(|name| dir.join(name)));
            }
            found = deeper;
        }
        for path in found {
            self.add(&path);
        }
    }

    fn compile(&self) -> Filter {
        let compile = |(dir, glob): &(PathBuf, String)| Some((dir.clone(), matcher(glob).ok()?));
        let mut parts = self.parts.clone();
        // A watched directory that is itself removed or renamed.
        parts.extend(self.directories.iter().cloned());
        Filter { parts, globs: self.globs.iter().filter_map(compile).collect() }
    }
}

fn segments(path: &Path) -> impl Iterator<Item = OsString> {
    let kept = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(kept).map(|part| part.as_os_str().to_owned())
}

struct Filter {
    parts: BTreeSet<PathBuf>,
    globs: Vec<(PathBuf, GlobMatcher)>,
}

impl Filter {
    fn wants(&self, event: &Event) -> bool {
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        event.need_rescan() || event.paths.iter().any(|path| self.names(path))
    }

    fn names(&self, path: &Path) -> bool {
        let in_glob = |(dir, glob): &(PathBuf, GlobMatcher)| {
            path.parent() == Some(dir.as_path()) && path.file_name().is_some_and(|name| glob.is_match(name))
        };
        self.parts.contains(path) || self.globs.iter().any(in_glob)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Far longer than a change takes to arrive: only a broken watch waits so long.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn tick(ticks: &mut mpsc::Receiver<()>) {
        tokio::time::timeout(PATIENCE, ticks.recv()).await.expect("a change is told").expect("the watch is alive");
    }

    #[tokio::test]
    async fn a_file_renamed_over_the_config_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orchd.yaml");
        fs::write(&path, "rules: []").unwrap();
        let (_watch, mut ticks) = Watch::start(&path).unwrap();
        for round in ["first", "second"] {
            let draft = dir.path().join(".orchd.yaml.swp");
            fs::write(&draft, round).unwrap();
            fs::rename(&draft, &path).unwrap();
            tick(&mut ticks).await;
        }
    }

    #[tokio::test]
    async fn a_swapped_link_two_steps_away_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["..1", "..2", "..3"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("orchd.yaml"), format!("# {version}\nrules: []")).unwrap();
        }
        symlink("..1", dir.path().join("..data")).unwrap();
        let path = dir.path().join("orchd.yaml");
        symlink("..data/orchd.yaml", &path).unwrap();
        let (mut watch, mut ticks) = Watch::start(&path).unwrap();
        for version in ["..2", "..3"] {
            symlink(version, dir.path().join("..data_tmp")).unwrap();
            fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
            tick(&mut ticks).await;
            watch.rearm().unwrap();
            // Re-arming moved to another real directory, and says so once.
            tick(&mut ticks).await;
        }
    }

    #[tokio::test]
    async fn a_new_rules_file_is_told_even_when_its_directory_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orchd.yaml");
        fs::write(&path, "include: [rules.d/*.yaml]").unwrap();
        let (mut watch, mut ticks) = Watch::start(&path).unwrap();
        fs::create_dir(dir.path().join("rules.d")).unwrap();
        tick(&mut ticks).await;
        watch.rearm().unwrap();
        tick(&mut ticks).await;
        fs::write(dir.path().join("rules.d/labels.yaml"), "rules: []").unwrap();
        tick(&mut ticks).await;
    }

    #[tokio::test]
    async fn a_rotated_secret_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orchd.yaml");
        fs::create_dir(dir.path().join("secrets")).unwrap();
        let secret = dir.path().join("secrets/webhook");
        fs::write(&secret, "swordfish").unwrap();
        fs::write(&path, "github: {webhook_secrets: [{file: secrets/webhook}]}").unwrap();
        let (_watch, mut ticks) = Watch::start(&path).unwrap();
        for round in ["marlin", "tuna"] {
            fs::write(dir.path().join("secrets/next"), round).unwrap();
            fs::rename(dir.path().join("secrets/next"), &secret).unwrap();
            tick(&mut ticks).await;
        }
    }

    #[test]
    fn only_the_config_and_its_includes_count() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let path = real.join("orchd.yaml");
        fs::write(&path, "include: [rules.d/*.yaml]").unwrap();
        fs::create_dir(real.join("rules.d")).unwrap();
        let found = sources(&path);
        let filter = Interest::of(&found.files, &found.patterns).compile();
        assert!(filter.names(&path));
        assert!(filter.names(&real.join("rules.d/new.yaml")));
        assert!(!filter.names(&real.join("orchd.db-wal")));
        assert!(!filter.names(&real.join("rules.d/new.yaml~")));
    }
}
