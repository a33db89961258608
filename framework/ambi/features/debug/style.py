"""How the page looks: light and dark as the system says, from a telephone's width on, also without a mouse."""

STYLE = """
:root{color-scheme:light dark;--paper:#f6f6f4;--card:#fff;--ink:#1d1f21;--soft:#5b6166;--line:#dcdcd7;--code:#fbfbfa;
--alarm:#b3261e;--alarm-paper:#fdeceb;--mark:#f7c6c2;--link:#0b57a4;--chip:#ececE8;
--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace}
@media(prefers-color-scheme:dark){:root{--paper:#16181a;--card:#1e2124;--ink:#e4e6e8;--soft:#9aa1a8;--line:#33383d;
--code:#191c1e;--alarm:#ff8a80;--alarm-paper:#3a2221;--mark:#7a3632;--link:#8ab8f0;--chip:#2b2f33}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans",sans-serif;overflow-wrap:anywhere}
main,header>div,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{background:var(--card);border-top:4px solid var(--alarm);border-bottom:1px solid var(--line);padding:22px 0 18px}
h1{margin:0;font-size:24px;line-height:1.3;font-weight:650}
h1 small{display:block;color:var(--alarm);font-size:13px;font-weight:600;letter-spacing:.02em}
h2{margin:34px 0 10px;font-size:17px}
h3{margin:0 0 6px;font-size:16px}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--link);outline-offset:2px;
border-radius:3px}
.message{margin:8px 0 0;font:15px/1.5 var(--mono);white-space:pre-wrap;max-height:40vh;overflow:auto}
.summary{margin:12px 0 0;color:var(--soft)}
nav{margin:10px 0 0;display:flex;flex-wrap:wrap;gap:4px 16px;font-size:14px}
code,.mono,td,th[scope=row]{font-family:var(--mono);font-size:13px}
.chip{display:inline-block;padding:0 7px;border-radius:9px;background:var(--chip);color:var(--soft);font-size:12px;
font-family:system-ui,sans-serif}
.relation{margin:26px 0 8px;color:var(--soft);font-size:14px}
.card,details.frame,.table{background:var(--card);border:1px solid var(--line);border-radius:8px}
.card{padding:14px 16px;margin:0 0 12px}
.card .message{margin:0 0 4px}
.members{margin:10px 0 0;padding:0 0 0 14px;border-left:3px solid var(--line)}
.note{margin:4px 0;white-space:pre-wrap}
details.frame{margin:0 0 8px}
details.frame>summary{padding:8px 14px;cursor:pointer;font-size:14px}
details.library>summary,details.framework>summary{color:var(--soft);padding:4px 14px}
details.library,details.framework{background:transparent}
details.frame[open]>summary{border-bottom:1px solid var(--line)}
summary code{overflow-wrap:anywhere}
.folded{padding:8px 8px 0}
.left-out{margin:0 0 8px;color:var(--soft);font-size:14px;text-align:center}
.source{overflow-x:auto;background:var(--code);padding:8px 0;border-radius:0 0 8px 8px}
.source ol{list-style:none;margin:0;padding:0;min-width:max-content;font:13px/1.6 var(--mono)}
.source li{white-space:pre;padding:0 14px 0 0}
.source b{display:inline-block;width:56px;padding-right:12px;text-align:right;color:var(--soft);font-weight:400;
user-select:none}
.source .failing{background:var(--alarm-paper)}
.source .failing b{color:var(--alarm);font-weight:700;box-shadow:inset 3px 0 var(--alarm)}
mark{background:var(--mark);color:inherit;border-radius:2px;padding:1px 0}
details.locals{border-top:1px solid var(--line)}
details.locals>summary{padding:6px 14px;cursor:pointer;color:var(--soft);font-size:13px}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:5px 14px;border-top:1px solid var(--line);white-space:pre-wrap}
tr:first-child>*{border-top:0}
th[scope=row]{font-weight:600;width:200px;min-width:120px}
thead th{font-size:13px;color:var(--soft);font-weight:600}
.routes th,.routes td{white-space:nowrap;overflow-wrap:normal}
.near{margin:0;padding:0;list-style:none}
.near li{padding:4px 0}
.near .why{color:var(--soft)}
.plain>summary{cursor:pointer;font-weight:600}
pre{margin:8px 0 0;padding:12px 14px;overflow:auto;max-height:60vh;background:var(--code);border:1px solid var(--line);
border-radius:8px;font:12.5px/1.5 var(--mono)}
footer{margin:36px auto 30px;color:var(--soft);font-size:13px}
@media(max-width:600px){main,header>div,footer{padding:0 12px}h1{font-size:20px}th[scope=row]{width:auto;min-width:0}
.rows tr,.rows th,.rows td{display:block;border:0}.rows tr{border-top:1px solid var(--line);padding:5px 0}
.rows tr:first-child{border-top:0}.rows th,.rows td{padding:1px 12px}.source b{width:44px;padding-right:8px}
thead th,td{padding:5px 10px}}
@media print{details:not([open])>*{display:block}nav{display:none}}
"""
