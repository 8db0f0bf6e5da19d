"""Texts that try to be something else: markup, scripts, templates, terminal commands, SQL, YAML, nothing at all.

Each is used as a name, a type, a text, an owner, a reason or a search, and must come out as the text that it is.
"""

from __future__ import annotations

__all__ = ["HOSTILE", "MARK"]

MARK = "docgenPwned"  # what a script that ran would have set

_SCRIPTS = (f"window.{MARK}=1", f"alert('{MARK}')")
_TAGS = (
    "<script>{0}</script>", "<img src=x onerror=\"{0}\">", "<svg onload=\"{0}\">", "<svg/onload={0}>",
    "\"><script>{0}</script>", "'><img src=x onerror={0}>", "</textarea><script>{0}</script>",
    "</title><script>{0}</script>", "</pre><img src=x onerror={0}>", "<body onload={0}>", "<iframe srcdoc=\"<script>{0}</script>\">",
    "<details open ontoggle=\"{0}\">", "<input autofocus onfocus=\"{0}\">", "<a href=\"javascript:{0}\">x</a>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror={0}>", "<!--<script>{0}//-->", "--><script>{0}</script>",
    "<script\n>{0}</script\n>", "<ScRiPt>{0}</sCrIpT>", "%3Cscript%3E{0}%3C/script%3E", "&lt;script&gt;{0}&lt;/script&gt;",
    "\" onmouseover=\"{0}", "' autofocus onfocus='{0}", "` onclick=`{0}", "<form action=\"javascript:{0}\"><button>x",
    "<meta http-equiv=\"refresh\" content=\"0;url=javascript:{0}\">", "<base href=\"//evil.example/\"><script>{0}</script>",
    "<link rel=stylesheet href=\"data:text/css,*{{display:none}}\"><b onclick={0}>", "<object data=\"javascript:{0}\">",
    "<div hx-get=\"/undo\" hx-trigger=\"load\">{0}</div>", "<b hx-on:click=\"{0}\">x</b>", "<template><script>{0}</script></template>",
    "<style>@import '//evil.example/{0}'</style>", "</script><script>{0}</script>", "]]><script>{0}</script>",
)  # fmt: skip
_MARKUP = [tag.format(script) for tag in _TAGS for script in _SCRIPTS]

_TEMPLATES = (
    "{{ 7 * 7 }}", "{{ config.items() }}", "{% for x in range(9) %}a{% endfor %}", "{# gone #}", "{{ ''.__class__.__mro__ }}",
    "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{ env_var('HOME') }}", "{{ doc('x') }}", "{{ this }}", "{{{{", "{%", "%}", "}}", "{{ undefined.name }}",
    "%s%n%x", "{0}", "{__class__}", "$(id)", "`id`", "; rm -rf /", "| cat /etc/passwd", "&& echo x", "../../etc/passwd", "~/x", "\\\\host\\share",
)  # fmt: skip
_DATABASE = (
    "'; DROP TABLE docgen_suggestion; --", "\" OR \"\"=\"", "' OR 1=1 --", "%", "_", "\\", "%_\\", "x'||'y", "/* x */", "-- x",
    "$$", "$body$", "''''", "\"\"", "NULL", "null", "None", "nil", "undefined", "NaN", "Infinity", "true", "false", "0", "-0", "1e309", "\\N",
    "select 1; select 2", "N'x'", "E'\\n'", "U&'\\0041'", ":name", "?", "%(name)s", "@x", "#x",
)  # fmt: skip
_YAML = (
    "- a", "a: b", "? a", "# no comment", "& anchor", "*alias", "!tag x", "!!python/object/apply:os.system ['id']", "| block",
    "> folded", "---", "...", "%YAML 1.1", "yes", "no", "~", "{a: b}", "[a, b]", "\"", "'", "@at", "`tick", "a #b", "a: ", " lead", "trail ",
    "{\"a\": 1}", "{\"__proto__\": {\"x\": 1}}", "[]", "{}", "\"quoted\"", "'quoted'", "key: |\n  value",
)  # fmt: skip
_TERMINAL = (
    "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "\x1b[?25l", "\x9b31m",
    "\x07", "\x08\x08\x08", "a\rb", "a\nb", "a\r\nb", "a\tb", "\x0b", "\x0c", "\x7f", "\x85", "\x1bP+q544e\x1b\\", "\x1b[6n", "\x1b(0",
    "\u2028", "\u2029", "\ufeff", "\u200b", "\u200d", "\u00ad", "\u202eevil\u202c", "\u2066x\u2069", "\u061c", "\u200f", "a\u0301\u0301\u0301",
)  # fmt: skip
_LETTERS = (
    "🙂", "👩‍👩‍👧‍👦", "🏳️‍🌈", "日本語", "العربية", "עברית", "ไทย", "ß", "İ", "ı", "ﬁ", "Ω", "𝔘", "é", "e\u0301", "\U0010ffff", "\ufffd",
    "Ж" * 300, "x" * 5000, "word " * 400, "<" * 500, "&" * 500, "\"" * 200, "&amp;amp;", "&#x3c;script&#x3e;", "&nbsp;", "&", "<", ">",
    "<>", "</", "<!", "<?xml?>", "javascript:alert(1)", "data:text/html,x", "http://evil.example/", "//evil.example", "#", "?a=b&c=d",
)  # fmt: skip

HOSTILE: tuple[str, ...] = tuple(
    dict.fromkeys((*_MARKUP, *_TEMPLATES, *_DATABASE, *_YAML, *_TERMINAL, *_LETTERS))
)
