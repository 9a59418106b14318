#![allow(clippy::unwrap_used)]

use super::functions;
use crate::render::host::{Environment, Host};
use pintle_golib::time::{Time, Utc, Zone};
use pintle_template::{Limits, Options, Run, Set, Template};
use pintle_value::{List, Map, Value};
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// A host whose clock stands still and whose chance counts up.
#[derive(Default)]
struct Fixed(AtomicU8);

impl Host for Fixed {
    fn now(&self) -> Time {
        Time::from_unix(1_600_000_000, 0)
    }

    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        if kind == "Broken" {
            return Err("the cluster is away".to_owned());
        }
        Ok(Value::str(format!("{api_version}/{kind}/{namespace}/{name}")))
    }

    fn local_zone(&self) -> Box<dyn Zone> {
        Box::new(Utc)
    }
}

fn run(text: &str, lint: bool) -> Result<String, String> {
    let template = Template::parse("t", text.as_bytes(), functions()).map_err(|e| e.to_string())?;
    let mut set = Set::new("gotpl");
    set.add(Arc::new(template));
    let environment = Environment::new(Arc::new(Fixed::default()), lint);
    // Small limits: what has no end of its own meets them soon.
    let limits = Limits { steps: 5_000_000, bytes: 64 << 20, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let data: Map = [
        ("n", Value::Float64(42.0)),
        ("s", Value::str("hello")),
        ("nil", Value::Nil),
        ("l", Value::List(List::new(vec![Value::Float64(1.0), Value::str("two"), Value::Nil]))),
        ("b", Value::Bytes(b"hi".as_slice().into())),
    ]
    .into_iter()
    .collect();
    let mut out = Vec::new();
    Run::new(&set, functions(), &environment, &options)
        .execute("t", Value::Map(data), &mut out)
        .map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(run(template, false).as_deref(), Ok(*expected), "{template}");
    }
}

/// Templates that fail, and how the message ends.
#[track_caller]
fn check_errors(cases: &[(&str, &str)]) {
    for (template, ending) in cases {
        match run(template, false) {
            Ok(output) => panic!("{template} gives {}", &output[..output.len().min(200)]),
            Err(error) => assert!(error.ends_with(ending), "{template}: {}", &error[..error.len().min(500)]),
        }
    }
}

#[test]
fn strings() {
    check(&[
        (
            "{{ title \"it's o'neil 3rd\" }}|{{ untitle `Hello World` }}|{{ swapcase `aB c` }}",
            "It'S O'Neil 3rd|hello world|Ab C",
        ),
        ("{{ trunc -2 `hello` }}{{ trunc 2 `hello` }}{{ trunc 9 `x` }}{{ trunc 0 `x` }}", "lohex"),
        ("{{ substr 1 3 `hello` }}|{{ substr -1 3 `hello` }}|{{ substr 3 -1 `hello` }}", "el|hel|lo"),
        (
            "{{ abbrev 7 `hello world` }}|{{ abbrevboth 6 9 `hello world again` }}|{{ abbrev 3 `hello` }}",
            "hell...|...wor...|hello",
        ),
        ("{{ nospace ` é b` }}|{{ initials `First Try` }}", "Ã©b|FT"),
        (
            "{{ wrap 6 `  lead  double  ` | quote }}|{{ wrapWith 3 `|` `ab cd efgh` }}",
            r#""lead \ndouble\n "|ab|cd|efg|h"#,
        ),
        (
            "{{ quote 1 nil `a\"b` }}|{{ squote .b nil `it's` }}|{{ cat .b nil 1 }}|{{ toString .b }}",
            r#""1" "a\"b"|'[104 105]' 'it's'|[104 105] 1|hi"#,
        ),
        ("{{ indent 2 `a\nb\n` | quote }}|{{ nindent 1 `` | quote }}", r#""  a\n  b\n  "|"\n ""#),
        ("{{ split `,` `a,b` }}{{ splitn `` 2 `abc` }}{{ splitList `` `aé` }}", "map[_0:a _1:b]map[_0:a _1:bc][a é]"),
        ("{{ replace `` `-` `é✓` }}|{{ replace `a` `` `banana` }}", "-é-✓-|bnn"),
        (
            "{{ snakecase `HTTPServer` }} {{ kebabcase `fooBar` }} {{ camelcase `foo-bar` }}",
            "http_server foo-bar FooBar",
        ),
        ("{{ plural `one` `many` 1 }}{{ plural `one` `many` 0 }}", "onemany"),
    ]);
    check_errors(&[
        ("{{ substr -5 99 `hello` }}", "slice bounds out of range [:99] with length 5"),
        ("{{ repeat -1 `a` }}", "strings: negative Repeat count"),
        ("{{ repeat 9223372036854775807 `ab` }}", "strings: Repeat output length overflow"),
    ]);
}

#[test]
fn lists() {
    check(&[
        ("{{ first (list) | typeOf }} {{ rest (list) | toJson }} {{ compact (list 0 1 ``) }}", "<nil> null [1]"),
        ("{{ chunk 2 (list 1 2 3) }} {{ chunk -5 (list 1 2 3) }}", "[[1 2] [3]] []"),
        ("{{ slice (until 4) 1 3 | typeOf }} {{ slice (list 1 2 3) `1` }}", "[]int [2 3]"),
        ("{{ uniq (list 1 1.0 `1` 1) }} {{ has 1.0 (list 1) }} {{ without (list 1 `a`) `a` }}", "[1 1 1] false [1]"),
        (
            "{{ $s := splitList `,` `b,a` }}{{ $_ := sortAlpha $s }}{{ $s }}{{ sortAlpha (list 10 9 nil) }}",
            "[a b][10 9]",
        ),
        ("{{ join `-` .l }} {{ join `-` 5 }} {{ concat (list 1) (until 2) }}", "1-two 5 [1 0 1]"),
    ]);
    check_errors(&[
        ("{{ first nil }}", "runtime error: invalid memory address or nil pointer dereference"),
        ("{{ first 5 }}", "Cannot find first on type int"),
        ("{{ chunk 0 (list 1) }}", "runtime error: makeslice: len out of range"),
        ("{{ slice (list 1) 2 }}", "reflect.Value.Slice: slice index out of bounds"),
    ]);
}

#[test]
fn dictionaries() {
    check(&[
        ("{{ dict `a` 1 `b` }}{{ get (dict) `x` | typeOf }}{{ set (dict) `a` nil }}", "map[a:1 b:]stringmap[a:<nil>]"),
        ("{{ dig `a` `b` 0 (dict `a` (dict `b` 5)) }}{{ dig `a` `z` 0 (dict `a` (dict)) }}", "50"),
        ("{{ merge (dict `a` 0 `m` (dict `x` 1)) (dict `a` 5 `m` (dict `y` 2) `n` nil) }}", "map[a:5 m:map[x:1 y:2]]"),
        (
            "{{ mergeOverwrite (dict `a` 1 `m` (dict `x` 1)) (dict `a` false `m` (dict) `l` (list)) }}",
            "map[a:false l:[] m:map[x:1]]",
        ),
        (
            "{{ $a := dict `m` (dict `x` 1) }}{{ $b := deepCopy $a }}{{ $_ := set $b.m `x` 2 }}{{ $a }}",
            "map[m:map[x:1]]",
        ),
        (
            "{{ pick (dict `a` 1 `b` 2) `a` }}{{ omit (dict `a` 1 `b` 2) `a` }}{{ keys (dict `b` 1 `a` 2) }}",
            "map[a:1]map[b:2][a b]",
        ),
    ]);
    check_errors(&[
        ("{{ set nil `a` 1 }}", "assignment to entry in nil map"),
        ("{{ dig 1 `d` (dict) }}", "interface conversion: interface {} is int, not string"),
        ("{{ dig `a` `b` 0 (dict `a` 1) }}", "interface conversion: interface {} is int, not map[string]interface {}"),
        ("{{ $d := dict }}{{ $_ := set $d `d` $d }}{{ deepCopy $d }}", "the value nests deeper than 1000"),
    ]);
}

#[test]
fn numbers() {
    check(&[
        (
            "{{ int `0x10` }} {{ int `08` }} {{ int 1e21 }} {{ atoi `0x1` }} {{ toDecimal 777 }}",
            "16 0 -9223372036854775808 0 511",
        ),
        (
            "{{ add 9223372036854775807 1 }} {{ mod -7 3 }} {{ div 7 2 }} {{ max 1 `5` 2 }}",
            "-9223372036854775808 -1 3 5",
        ),
        ("{{ addf 0.1 0.2 }} {{ divf 10 3 2 }} {{ subf 7.9 2.9 }} {{ add1f .nil }}", "0.3 1.6666666666666667 5 1"),
        (
            "{{ round -2.5 0 }} {{ round 5.015 2 }} {{ ceil -0.5 }} {{ round 123 -1 }} {{ round 1.5 400 }}",
            "-3 5.01 -0 120 NaN",
        ),
        ("{{ seq 5 }}|{{ seq 0 }}|{{ seq 0 2 5 }}|{{ seq 1 2 3 4 }}", "1 2 3 4 5|1 0|0 2 4|"),
        ("{{ until -2 }} {{ untilStep 10 0 -4 }} {{ untilStep 0 5 0 }}", "[0 -1] [10 6 2] []"),
        ("{{ untilStep 9223372036854775806 9223372036854775807 5 }}", "[9223372036854775806]"),
        ("{{ randInt 3 4 }}", "3"),
    ]);
    check_errors(&[
        ("{{ div 1 0 }}", "runtime error: integer divide by zero"),
        ("{{ divf 1 0 }}", "decimal division by 0"),
        ("{{ addf `inf` }}", "Cannot create a Decimal from +Inf"),
        ("{{ randInt 5 5 }}", "invalid argument to Intn"),
    ]);
}

#[test]
fn dates_and_durations() {
    check(&[
        (
            "{{ now | date `2006-01-02 15:04:05` }} {{ htmlDate (int64 0) }} {{ htmlDate 1.5 }}",
            "2020-09-13 12:26:40 1970-01-01 2020-09-13",
        ),
        (
            "{{ ago (int64 1599999000) }} {{ toDate `2006` `x` | unixEpoch }} {{ now | dateModify `1h` | unixEpoch }}",
            "16m40s -62135596800 1600003600",
        ),
        ("{{ dateInZone `15:04` (int64 0) `No/Such` }} {{ now | dateModify `x` | unixEpoch }}", "00:00 1600000000"),
        (
            "{{ duration 95 }} {{ duration `95` }} {{ durationRound `2000h` }} {{ durationRound `1s` }}",
            "0s 1m35s 2mo 0s",
        ),
        ("{{ durationSeconds `1m` }} {{ durationHours 5400 }} {{ durationRoundTo `2h13m` `30m` }}", "60 1.5 2h0m0s"),
    ]);
    check_errors(&[
        ("{{ mustToDuration ` x ` }}", "could not parse duration \" x \""),
        ("{{ mustToDuration 1e10 }}", "duration seconds overflow: 1e+10"),
        ("{{ mustToDate `2006` `x` }}", "parsing time \"x\" as \"2006\": cannot parse \"x\" as \"2006\""),
    ]);
}

#[test]
fn encodings_and_patterns() {
    check(&[
        (
            "{{ b64enc `hello` }} {{ b64dec `aGVsbG9=` }} {{ b64dec `aGVsbG8==` }}",
            "aGVsbG8= hello illegal base64 data at input byte 8",
        ),
        (
            "{{ b32enc `hello` }} {{ b32dec `ME======` }} {{ b32dec `nbs` }}",
            "NBSWY3DP a illegal base32 data at input byte 0",
        ),
        (
            "{{ sha256sum `` | trunc 8 }} {{ sha1sum `` | trunc 8 }} {{ adler32sum `hello` }}",
            "e3b0c442 da39a3ee 103547413",
        ),
        (
            "{{ regexFindAll `a+` `baab a` -1 }} {{ regexFindAll `x` `a` -1 | toJson }} {{ regexMatch `(` `a` }}",
            "[aa a] null false",
        ),
        ("{{ regexReplaceAll `a(x*)b` `-ab-axxb-` `${1}W` }} {{ regexSplit `z+` `pizza` -1 }}", "-W-xxW- [pi a]"),
        (
            "{{ (semver `v1.2.3-rc.1`).IncPatch }} {{ semverCompare `^1.2` `1.9.0` }} {{ typeOf (semver `1`) }}",
            "1.2.3 true *semver.Version",
        ),
        ("{{ (urlParse `http://u:p@h:1/a%20b?q#f`).path }} {{ urlJoin (dict `host` `h` `path` `p`) }}", "/a b //h/p"),
    ]);
    check_errors(&[
        ("{{ regexFind `(` `a` }}", "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"),
        ("{{ mustRegexFind `(` `a` }}", "error calling mustRegexFind: error parsing regexp: missing closing ): `(`"),
        ("{{ semver `x` }}", "invalid semantic version"),
    ]);
}

#[test]
fn helms_own() {
    check(&[
        ("{{ lookup `v1` `Pod` `ns` `x` }}", "v1/Pod/ns/x"),
        ("{{ tpl `{{ .s }}` . }}{{ tpl `{{ define \"x\" }}y{{ end }}{{ include \"x\" . }}` . }}", "helloy"),
        ("{{ tpl `[{{ .zz }}]` . }}{{ define `m` }}{{ .zz }}{{ end }}{{ include `m` . | len }}", "[]10"),
        (
            "{{ toYaml (dict `a` (list 1)) }}|{{ fromYaml `a: [` }}",
            "a:\n- 1|map[Error:error converting YAML to JSON: yaml: line 1: did not find expected node content]",
        ),
        (
            "{{ fromJson `[1]` }}|{{ fromJson `null` | toJson }}|{{ fromJson `{\"a\":1e999}` | toJson }}",
            "map[Error:json: cannot unmarshal array into Go value of type map[string]interface {}]|null|{\"Error\":\"json: cannot unmarshal number 1e999 into Go value of type float64\",\"a\":null}",
        ),
        (
            "{{ toToml (dict `a` (list nil)) }}|{{ toJson (float64 `NaN`) }}",
            "toml: cannot encode array with nil element|",
        ),
        ("{{ required `m` false }}{{ default `d` `` }}{{ ternary 1 2 false }}{{ coalesce 0 `x` }}", "falsed2x"),
    ]);
    assert_eq!(run("{{ fail `x` }}{{ required `m` nil }}ok", true).as_deref(), Ok("ok"));
    check_errors(&[
        ("{{ fail `x` }}", "error calling fail: HELM_ERR_STARTxHELM_ERR_END"),
        ("{{ required `m` `` }}", "HELM_ERR_STARTmHELM_ERR_END"),
        ("{{ lookup `v1` `Broken` `` `` }}", "error calling lookup: the cluster is away"),
        ("{{ mustToToml nil }}", "reflect: call of reflect.Value.Type on zero Value"),
        (
            "{{ tpl `{{ upper 1 }}` . }}",
            "error calling tpl: error during tpl function execution for \"{{ upper 1 }}\": template: gotpl:1:9: executing \"gotpl\" at <1>: expected string; found 1",
        ),
    ]);
}

#[test]
fn passwords_and_ciphers() {
    check(&[
        (
            "{{ randAlpha 5 | len }} {{ randNumeric -1 | quote }} {{ randAscii 40 | regexMatch `^[ -~]{40}$` }}",
            "5 \"\" true",
        ),
        ("{{ uuidv4 }} {{ randBytes 3 }} {{ shuffle `aaa` }}", "00010203-0405-4607-8809-0a0b0c0d0e0f EBES aaa"),
        (
            "{{ derivePassword 1 `long` `password` `user` `example.com` | len }} {{ derivePassword 1 `pin` `password` `user` `example.com` }}",
            "14 6685",
        ),
        ("{{ derivePassword 1 `maximum` `password` `user` `example.com` }}", "pf4zS1LjCg&LjhsZ7T2~"),
        (
            "{{ decryptAES `secretkey` `30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ=` }} {{ encryptAES `k` `héé` | decryptAES `k` }}",
            "plaintext héé",
        ),
        (
            "{{ htpasswd `u:x` `p` }} {{ bcrypt (repeat 80 `a`) }}",
            "invalid username: u:x failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes",
        ),
        ("{{ htpasswd `u` `p` | regexMatch `^u:[$]2a[$]10[$][./A-Za-z0-9]{53}$` }}", "true"),
    ]);
    check_errors(&[
        ("{{ decryptAES `k` `AAAA` }}", "runtime error: slice bounds out of range [:16] with capacity 3"),
        ("{{ decryptAES `k` `MDEyMzQ1Njc4OWFiY2RlZg==` }}", "runtime error: index out of range [-1]"),
        ("{{ randBytes -1 }}", "runtime error: makeslice: len out of range"),
        ("{{ derivePassword -1 `pin` `p` `u` `s` }}", "expected unsigned integer; found -1"),
    ]);
}

#[test]
fn certificates() {
    check(&[
        (
            "{{ $k := genPrivateKey `ecdsa` }}{{ $c := genSelfSignedCertWithKey `s` nil (list `x.y`) 10 $k }}{{ eq $c.Key $k }}",
            "true",
        ),
        (
            "{{ genPrivateKey `ed25519` | splitList `\n` | first }} {{ genPrivateKey `bogus` }}",
            "-----BEGIN PRIVATE KEY----- Unknown type bogus",
        ),
        (
            "{{ $ca := genCAWithKey `ca` 10 (genPrivateKey `ecdsa`) }}{{ $b := buildCustomCert ($ca.Cert | b64enc) ($ca.Key | b64enc) }}{{ eq $b.Cert $ca.Cert }} {{ typeOf $ca }} {{ kindOf $ca }}",
            "true sprig.certificate struct",
        ),
    ]);
    check_errors(&[
        ("{{ genCAWithKey `ca` 1 `` }}", "parsing private key: no PEM data in input"),
        ("{{ genSelfSignedCertWithKey `x` (list `notip`) nil 1 (genPrivateKey `ecdsa`) }}", "error parsing ip: notip"),
        (
            "{{ genSelfSignedCertWithKey `x` nil (list 1) 1 (genPrivateKey `ecdsa`) }}",
            "error processing alternate dns name: 1 is not a string",
        ),
        ("{{ genPrivateKey `dsa` }}", "DSA keys are not supported here; use rsa, ecdsa or ed25519"),
        ("{{ buildCustomCert `` `` }}", "unable to decode certificate"),
        (
            "{{ genSignedCert `cn` nil nil 1 (dict) }}",
            "wrong type for value; expected sprig.certificate; got map[string]interface {}",
        ),
    ]);
}

/// What another implementation thinks of the certificates.
#[test]
fn openssl_agrees() {
    let available = std::process::Command::new("openssl").arg("version").output();
    if available.is_err() {
        eprintln!("skipped: there is no openssl");
        return;
    }
    let parts = run(
        "{{ $ca := genCA `my-ca` 365 }}{{ $c := genSignedCert `srv` (list `10.0.0.1` `::1`) (list `a.example` `*.b.example`) 30 $ca }}\
         {{ $ca.Cert }}\x1f{{ $c.Cert }}\x1f{{ $c.Key }}",
        false,
    )
    .unwrap();
    let parts: Vec<&str> = parts.split('\x1f').collect();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (name, part) in ["ca.pem", "cert.pem", "key.pem"].into_iter().zip(parts) {
        std::fs::write(path(name), part).unwrap();
    }
    let openssl = |args: &[&str]| {
        let output = std::process::Command::new("openssl").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // The clock of the test stands in 2020.
    openssl(&[
        "verify",
        "-attime",
        "1600000100",
        "-purpose",
        "sslserver",
        "-CAfile",
        &path("ca.pem"),
        &path("cert.pem"),
    ]);
    openssl(&["pkey", "-in", &path("key.pem"), "-check", "-noout"]);
    let shown = openssl(&["x509", "-in", &path("cert.pem"), "-noout", "-text"]);
    for part in [
        "CN = srv",
        "DNS:a.example, DNS:*.b.example",
        "IP Address:10.0.0.1",
        "CA:FALSE",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "Not Before: Sep 13 12:26:40 2020 GMT",
        "Not After : Oct 13 12:26:40 2020 GMT",
        "sha256WithRSAEncryption",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let shown = openssl(&["x509", "-in", &path("ca.pem"), "-noout", "-text"]);
    assert!(shown.contains("CA:TRUE") && shown.contains("Certificate Sign"), "{shown}");
}

#[test]
fn nothing_grows_without_end() {
    let big = "{{ $s := repeat 1000000 `a` }}";
    for template in [
        "{{ repeat 100000000 `a` }}".to_owned(),
        "{{ until 100000000 }}".to_owned(),
        "{{ untilStep 0 9223372036854775807 1 }}".to_owned(),
        "{{ seq 1 9223372036854775806 }}".to_owned(),
        "{{ indent 1000000000 `a` }}".to_owned(),
        "{{ randAlpha 1000000000 }}".to_owned(),
        "{{ randBytes 1000000000 }}".to_owned(),
        format!("{big}{{{{ replace `` $s $s }}}}"),
        format!("{big}{{{{ replace `a` $s $s }}}}"),
        format!("{big}{{{{ regexReplaceAll `a` $s $s }}}}"),
        format!("{big}{{{{ wrapWith 1 $s $s }}}}"),
        format!("{big}{{{{ indent 1000 (replace `a` `\n` $s) }}}}"),
        format!("{big}{{{{ join $s (until 1000) }}}}"),
        "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}".to_owned(),
        "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ toJson $l | len }}{{ mustToJson $l }}"
            .to_owned(),
        "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ deepCopy $l }}".to_owned(),
    ] {
        assert!(run(&template, false).is_err(), "{template}");
    }
}
