//! The licence: without one nobody may use what is here.

use super::super::Check;
use super::super::checkout::is_license;
use super::super::scene::{At, Scene, Seen};
use super::is_blank;

pub(in super::super) static CHECK: Check = Check {
    id: "license",
    title: "There is a licence, and it is one",
    finds: "No LICENSE, LICENCE, COPYING or UNLICENSE at the root (nor a folder `LICENSES`); one that is empty or whose text is no licence that is known; a year or name that was not filled in (warnings).",
    points: 10,
    asks_github: false,
    look,
};

/// A licence, and phrases that all stand in it: small letters, a space between words.
struct License {
    name: &'static str,
    says: &'static [&'static str],
}

const fn license(name: &'static str, says: &'static [&'static str]) -> License {
    License { name, says }
}

/// The more special ones first.
static KNOWN: &[License] = &[
    license("Apache-2.0", &["apache license", "version 2.0", "grant of patent license"]),
    license("AGPL-3.0", &["gnu affero general public license", "version 3"]),
    license("LGPL-3.0", &["gnu lesser general public license", "version 3"]),
    license("LGPL-2.1", &["gnu lesser general public license", "version 2.1"]),
    license("LGPL-2.0", &["gnu library general public license", "version 2"]),
    license("GPL-3.0", &["gnu general public license", "version 3"]),
    license("GPL-2.0", &["gnu general public license", "version 2"]),
    license("GFDL", &["gnu free documentation license"]),
    license("MPL-2.0", &["mozilla public license", "2.0", "covered software"]),
    license("EPL-2.0", &["eclipse public license", "recipient", "contributor"]),
    license("CDDL", &["common development and distribution license"]),
    license("EUPL", &["european union public licence"]),
    license("OSL-3.0", &["open software license", "original work"]),
    license("Artistic-2.0", &["the artistic license 2.0"]),
    license("BSL-1.0", &["boost software license", "permission is hereby granted, free of charge"]),
    license("NCSA", &["university of illinois", "redistributions of source code"]),
    license(
        "X11/MIT",
        &["permission is hereby granted, free of charge, to any person obtaining a copy", "without restriction"],
    ),
    license("BSD-3-Clause", &["redistribution and use in source and binary forms", "neither the name"]),
    license("BSD-2-Clause", &["redistribution and use in source and binary forms", "redistributions in binary form"]),
    license(
        "0BSD/ISC",
        &[
            "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted",
        ],
    ),
    license("ISC/PostgreSQL", &["permission to use, copy, modify, and distribute this software", "without fee"]),
    license(
        "Zlib",
        &[
            "this software is provided 'as-is', without any express or implied warranty",
            "permission is granted to anyone to use this software for any purpose",
        ],
    ),
    license("Unlicense", &["this is free and unencumbered software released into the public domain"]),
    license("CC0-1.0", &["cc0 1.0 universal"]),
    license("CC-BY", &["creative commons", "attribution", "public license"]),
    license("WTFPL", &["do what the fuck you want to public license"]),
    license("MS-PL", &["microsoft public license"]),
    license("MS-RL", &["microsoft reciprocal license"]),
    license("OFL-1.1", &["sil open font license"]),
    license("MulanPSL-2.0", &["mulan permissive software license"]),
    license("UPL-1.0", &["universal permissive license"]),
    license("Blue Oak", &["blue oak model license"]),
    license("BUSL-1.1", &["business source license"]),
    license("Elastic-2.0", &["elastic license 2.0"]),
    license("SSPL-1.0", &["server side public license"]),
    license("PolyForm", &["polyform", "license"]),
    license("Vim", &["vim license"]),
    license("PSF", &["python software foundation license"]),
    license("ODbL", &["open database license"]),
];

/// In bytes.
const LONGEST_SIGNPOST: usize = 2_000;

/// Licences that are short enough to be filled in where they stand. Longer ones show in an appendix how to.
const FILLED_IN: [&str; 4] = ["X11/MIT", "BSD-3-Clause", "BSD-2-Clause", "0BSD/ISC"];
const PLACEHOLDERS: [&str; 8] = [
    "[year]",
    "<year>",
    "[yyyy]",
    "[fullname]",
    "[name of copyright owner]",
    "<copyright holder",
    "<owner>",
    "[copyright holder",
];

fn look(scene: &Scene) -> Seen {
    let mut seen = Seen::default();
    let at_root = scene.checkout.within("").filter(|(_, name)| is_license(name));
    let found: Vec<&str> = at_root.map(|(path, _)| path).collect();
    // Texts below `LICENSES` (https://reuse.software) are those of parts, and may be any.
    if found.is_empty() && scene.checkout.within("LICENSES").next().is_none() {
        let advice = "put the licence's text into `LICENSE` (https://choosealicense.com); for what nobody else may use, say that there";
        seen.warning(At::nowhere(), "there is no licence, so nobody but you may use this", advice);
    }
    let texts = || found.iter().filter_map(|path| Some((*path, scene.checkout.text(path)?)));
    let any_known = texts().any(|(_, text)| recognise(text).is_some());
    for (path, text) in texts().filter(|(_, text)| !(any_known && is_signpost(text))) {
        look_into(path, text, &mut seen);
    }
    seen
}

/// "Under either licence, as you like": beside the licences themselves this is no licence, and need not be.
fn is_signpost(text: &str) -> bool {
    text.len() < LONGEST_SIGNPOST && recognise(text).is_none() && text.to_lowercase().contains("licen")
}

fn look_into(path: &str, text: &str, seen: &mut Seen) {
    if is_blank(text) {
        seen.warning(At::line(path, 1, 1), "the licence is empty", "put the licence's text into it");
        return;
    }
    let Some(known) = recognise(text) else {
        let message = "this is none of the licences that are commonly known";
        seen.warning(
            At::line(path, 1, 1),
            message,
            "put the licence's whole text here, word for word; what is no licence belongs elsewhere",
        );
        return;
    };
    if !FILLED_IN.contains(&known) {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        let small = line.to_ascii_lowercase();
        let found = PLACEHOLDERS.iter().find_map(|placeholder| small.find(placeholder));
        if let Some(at) = found {
            let column = line[..at].chars().count() + 1;
            let message = format!("the licence still has a placeholder: `{}`", line.trim());
            seen.warning(At::line(path, number + 1, column), message, "write the year and whose work this is");
        }
    }
}

/// The name of the licence that a text is.
fn recognise(text: &str) -> Option<&'static str> {
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.replace(['“', '”', '"'], "").to_lowercase()).collect();
    let plain = words.join(" ").replace(['‘', '’'], "'");
    KNOWN.iter().find(|known| known.says.iter().all(|phrase| plain.contains(phrase))).map(|known| known.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_known_by_what_they_say() {
        let mit = include_str!("../../../../../LICENSE-MIT");
        let apache = include_str!("../../../../../LICENSE-APACHE");
        assert_eq!((recognise(mit), recognise(apache)), (Some("X11/MIT"), Some("Apache-2.0")));
        for (text, name) in [
            ("GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007", Some("GPL-3.0")),
            ("GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991", Some("GPL-2.0")),
            ("GNU AFFERO GENERAL PUBLIC\nLICENSE Version 3", Some("AGPL-3.0")),
            ("Mozilla Public License Version 2.0 \"Covered Software\" means", Some("MPL-2.0")),
            ("This is free and unencumbered software released\ninto the public domain.", Some("Unlicense")),
            (
                "This software is provided ‘as-is’, without any express or implied\nwarranty. Permission is granted to anyone to use this software for any purpose,",
                Some("Zlib"),
            ),
            ("All my friends may use this.", None),
            ("MIT", None),
        ] {
            assert_eq!(recognise(text), name, "{text}");
        }
    }
}
