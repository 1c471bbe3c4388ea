//! `orchd-fake payloads`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use orchd_fake::payload;

#[derive(Args)]
pub(crate) struct Options {
    /// How many
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// Directory to write `NNNNNN-EVENT.json` into; made when missing
    #[arg(long)]
    out: PathBuf,
    /// Seed of the first; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.out).with_context(|| format!("cannot make {}", options.out.display()))?;
    let mut bytes = 0;
    for index in 0..options.count {
        let (event, value) = payload::sample(options.seed + index);
        let text = payload::to_github_json(&value);
        bytes += text.len();
        let path = options.out.join(format!("{index:06}-{event}.json"));
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{} payloads, {bytes} bytes, in {}", options.count, options.out.display());
    Ok(())
}
