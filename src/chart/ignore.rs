//! .helmignore, with Helm's own reading of it (which is not git's).

use pintle_golib::filepath;

/// The rules of one chart folder.
pub(super) struct Rules(Vec<Rule>);

struct Rule {
    pattern: String,
    negated: bool,
    only_folders: bool,
    whole_path: bool,
}

impl Rules {
    /// Reads a .helmignore. A rule that hides dot files under templates/ always comes last.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut rules = Vec::new();
        for line in String::from_utf8_lossy(text).lines() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                rules.push(Rule::parse(line)?);
            }
        }
        rules.push(Rule::parse("templates/.?*")?);
        Ok(Self(rules))
    }

    /// Whether a path (relative, with `/`) is left out. The first rule that speaks decides.
    pub(super) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if path.is_empty() || path == "." || path == "./" {
            return false;
        }
        for rule in &self.0 {
            let hit = rule.matches(path);
            if rule.negated {
                // A negated rule drops whatever it does not name, folders-only rules what is no folder.
                if (rule.only_folders && !is_folder) || !hit {
                    return true;
                }
                continue;
            }
            if rule.only_folders && !is_folder {
                continue;
            }
            if hit {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".into());
        }
        if filepath::matches(line.as_bytes(), b"abc").is_err() {
            return Err(format!("syntax error in pattern {line:?}"));
        }
        let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (only_folders, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
        let (rooted, line) = line.strip_prefix('/').map_or((false, line), |rest| (true, rest));
        Ok(Self { pattern: line.to_owned(), negated, only_folders, whole_path: rooted || line.contains('/') })
    }

    fn matches(&self, path: &str) -> bool {
        let subject = if self.whole_path { path } else { path.rsplit('/').next().unwrap_or(path) };
        filepath::matches(self.pattern.as_bytes(), subject.as_bytes()).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules() {
        let cases = [
            ("", "templates/.dotfile", false, true),
            ("", "templates/a.yaml", false, false),
            ("helm.txt", "a/helm.txt", false, true),
            ("# helm.txt\n", "helm.txt", false, false),
            ("/a", "b/a", false, false),
            ("/a", "a", false, true),
            ("a/b", "x/a/b", false, false),
            ("cargo/", "cargo", true, true),
            ("cargo/", "cargo", false, false),
            ("*.txt", "a/b.txt", false, true),
            ("!keep", "keep", false, false),
            ("!keep", "other", false, true),
        ];
        for (text, path, folder, want) in cases {
            assert_eq!(Rules::parse(text.as_bytes()).unwrap().ignores(path, folder), want, "{text:?} {path}");
        }
        assert!(Rules::parse(b"a/**").is_err());
    }
}
