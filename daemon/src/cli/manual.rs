//! `orchd manual`: a page for each command. Packages bring them; whoever reads manuals needs no command for it, so it is hidden.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::Cli;
use super::failure::Failure;
use crate::config::reference::{KeyDoc, reference};

/// The page of the config's keys: section 5 is that of file formats.
const CONFIG_PAGE: &str = "orchd.yaml.5";

#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Where the pages go: orchd.1, orchd-events.1, orchd-events-list.1 and so on, and orchd.yaml.5.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

impl Manual {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::failed(format!("{} cannot be written to: {error}", self.dir.display()));
        std::fs::create_dir_all(&self.dir).map_err(failed)?;
        for page in pages(Cli::command()) {
            page.generate_to(&self.dir).map_err(failed)?;
        }
        std::fs::write(self.dir.join(CONFIG_PAGE), config_page().render()).map_err(failed)
    }
}

/// Of the command and all below it, as far as its help names them.
fn pages(mut command: clap::Command) -> Vec<Man> {
    // Gives subcommands the names they are called by, and the options that all take.
    command.build();
    let mut pages = Vec::new();
    push(&command, &mut pages);
    pages
}

fn push(command: &clap::Command, pages: &mut Vec<Man>) {
    pages.push(Man::new(command.clone()).manual("orchd"));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        push(sub, pages);
    }
}

/// Every section of the config with its keys.
fn config_page() -> Roff {
    let mut page = Roff::new();
    page.control("TH", ["orchd.yaml", "5", "", "", "orchd"]);
    page.control("SH", ["NAME"]).text([roman("orchd.yaml - config of orchd")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text(words(
        "The usual place is `/etc/orchd/orchd.yaml`. `orchd config check` names everything that is wrong with a config, `orchd config \
         show` prints it with every default, and where each value came from. A secret never stands in it: write `{credential: NAME}`, \
         `{file: PATH}` or `{env: NAME}`. Conditions, actions, presets and an example are told in the project's documentation.",
    ));
    for section in reference() {
        page.control("SH", [section.title]).text(words(section.help));
        for key in &section.keys {
            page.control("TP", []).text(heading(key)).text(words(key.help));
        }
    }
    page.control("SH", ["SEE ALSO"]).text([bold("orchd"), roman("(1), "), bold("orchd-config"), roman("(1)")]);
    page
}

/// Name, kind and default.
fn heading(key: &KeyDoc) -> Vec<Inline> {
    let mut heading = vec![bold(key.name), roman(" ("), italic(key.takes.replace('`', ""))];
    match key.default {
        Some(default) => heading.push(roman(format!("; default: {default}"))),
        None if key.required => heading.push(roman("; required")),
        None => {}
    }
    heading.push(roman(")"));
    heading
}

/// What stands between backquotes is bold.
fn words(text: &str) -> Vec<Inline> {
    let style = |(index, part)| if index % 2 == 0 { roman(part) } else { bold(part) };
    text.split('`').enumerate().map(style).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn visible(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        all.push(format!("{path}.1"));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            visible(sub, &format!("{path}-{}", sub.get_name()), all);
        }
    }

    #[test]
    fn every_visible_command_has_its_page() {
        let mut expected = Vec::new();
        visible(&Cli::command(), "orchd", &mut expected);
        expected.push(CONFIG_PAGE.to_owned());
        expected.sort();
        let directory = tempfile::tempdir().unwrap();
        Manual { dir: directory.path().join("man") }.run().unwrap();
        let written = directory.path().join("man").read_dir().unwrap();
        let mut written: Vec<String> = written.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        written.sort();
        assert_eq!(written, expected);
        assert!(expected.contains(&"orchd-events-list.1".to_owned()), "{expected:?}");
        assert!(!expected.contains(&"orchd-manual.1".to_owned()), "it is hidden");
    }

    #[test]
    fn every_key_of_the_config_is_on_its_page() {
        let page = config_page().to_roff();
        for section in reference() {
            // A title of several words stands in quotes.
            let title = section.title.replace('-', "\\-");
            assert!(page.lines().any(|line| line.starts_with(".SH") && line.contains(&title)), "{}", section.title);
            for key in section.keys {
                assert!(page.contains(&format!("\\fB{}\\fR", key.name)), "{}", key.name);
            }
        }
    }
}
