//! Which functions there are, what they take and what they give: those of Helm's map whose answers do not depend on the
//! clock, on chance, or on the order of Go's maps.

/// A function: its name, what it gives, and what it takes, each as a letter of [`super::template::Writer::argument`].
/// `*` after a letter: any number of these.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The name.
    pub name: &'static str,
    /// What it gives.
    pub gives: char,
    /// What it takes.
    pub takes: &'static str,
}

/// All of them.
pub fn all() -> Vec<Function> {
    TABLE
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (gives, names, takes) = (words.next()?.chars().next()?, words.next()?, words.next().unwrap_or(""));
            Some(names.split(',').map(move |name| Function { name, gives, takes }))
        })
        .flatten()
        .collect()
}

// Gives, names, takes. S text, I int, N number, F float, B bool, L list, D table, A anything, T moment, U duration,
// V version, C constraint, R pattern, W replacement, Y layout, Z zone, P path, Q address, J JSON, M YAML, O TOML, X base64,
// K key, k kind, t type, E template, X base64 text, m text of a moment, G a call's group of key and value pairs.
const TABLE: &str = "\
S trim,upper,lower,title,untitle,swapcase,nospace,initials,snakecase,camelcase,kebabcase S
S trimAll,trimall,trimPrefix,trimSuffix SS
S repeat,trunc,abbrev,indent,nindent,wrap IS
S substr,abbrevboth IIS
B contains,hasPrefix,hasSuffix SS
S replace SSS
S quote,squote,cat,print,println A*
S printf fA*
S wrapWith ISS
S plural SSI
D split SS
D splitn SIS
L splitList SS
S join SA
S join SL
L sortAlpha A
L sortAlpha,toStrings L
S toString A
B regexMatch,mustRegexMatch RS
S regexFind,mustRegexFind RS
L regexFindAll,mustRegexFindAll RSI
S regexReplaceAll,mustRegexReplaceAll RSW
S regexReplaceAllLiteral,mustRegexReplaceAllLiteral RSW
L regexSplit,mustRegexSplit RSI
S regexQuoteMeta S
S b64enc,b32enc,sha1sum,sha256sum,sha512sum,adler32sum S
S b64dec,b32dec X
I int,int64,toDecimal N
I int,int64,toDecimal,atoi S
F float64 N
F float64 S
I add,mul,max,min,biggest NN*
I sub,div,mod NN
I add1 N
F add1f,ceil,floor N
F addf,subf,mulf,divf,maxf,minf NN*
F round NI
L until I
L untilStep III
S seq I*
L list,tuple A*
L append,push,mustAppend,mustPush,prepend,mustPrepend LA
L concat L*
A first,last,mustFirst,mustLast L
L rest,initial,reverse,compact,uniq,mustRest,mustInitial,mustReverse,mustCompact,mustUniq L
L without,mustWithout LA*
B has,mustHas AL
L slice,mustSlice L
L slice,mustSlice LI
L slice,mustSlice LII
L chunk,mustChunk IL
D dict G
A get DK
D set DKA
D unset DK
B hasKey DK
L pluck KDD*
D pick,omit DK*
A dig KAD
A dig KKAD
D merge,mustMerge,mergeOverwrite,mustMergeOverwrite DD*
A deepCopy,mustDeepCopy A
A default AA
B empty A
A coalesce A*
B all,any A*
A ternary AAB
S typeOf,kindOf A
B typeIs,typeIsLike tA
B kindIs kA
B deepEqual AA
S toYaml,toYamlPretty,mustToYaml,toJson,toPrettyJson,toRawJson,mustToJson,mustToRawJson A
S toYaml,toYamlPretty,toJson,toToml D
S toToml,mustToToml A
D fromYaml M
L fromYamlArray M
D fromJson J
L fromJsonArray J
A mustFromJson J
D fromToml O
A required SA
S date YT
S dateInZone,date_in_zone YTZ
S dateInZone YIZ
S htmlDate T
S htmlDateInZone TZ
T toDate,mustToDate Ym
T dateModify,date_modify,mustDateModify,must_date_modify UT
S unixEpoch T
S duration,durationRound U
S duration,durationRound A
S mustToDuration U
F durationSeconds,durationMinutes,durationHours,durationDays,durationWeeks U
I durationMilliseconds,durationMicroseconds,durationNanoseconds U
S durationRoundTo,durationTruncateTo UU
F durationSeconds,durationHours A
A semver V
B semverCompare CV
D urlParse Q
S urlJoin D
S base,dir,clean,ext,osBase,osDir,osClean,osExt P
B isAbs,osIsAbs P
S derivePassword dSSSS
S tpl EA
S include iA
B not A
A and,or AA*
B eq,ne AA
B eq NN
B eq SS
B lt,le,gt,ge NN
B lt,le,gt,ge AA
I len A
I len L
A index AA
A index LI
A index DK
S html,js,urlquery A*
S html,js,urlquery S
D lookup SSSS
S getHostByName S
S fail S
A call A
S hello
";
