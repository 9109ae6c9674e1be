"""The message of the duty officer, word by word, in both languages."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from alerting.chainwatch import ChainFault, ChainNews, chain_notice
from alerting.contacts import Contact, Contacts, check
from alerting.message import FACTS, facts, message, number
from alerting.sending import Delivery
from schemas.alarms import Change, Notice
from schemas.changes import AlarmClass, Side
from schemas.quality import Quality
from schemas.registry import Route
from schemas.text import Text
from schemas.time import MINUTE
from tests.alerting.bench import START, Desk, change


def deliver(notice: Notice, **more: object) -> Delivery:
    return Delivery(notice=notice, contact=None, at_ns=START, **more)  # type: ignore[arg-type]


def test_a_dangerous_value_in_chinese() -> None:
    desk = Desk()
    desk.say(change(2, 1, value=45.25))
    assert message(deliver(desk.notices[0]), "zh", "http://c/?alarm=1").body == (
        "【红色1级】报警：1号炉一氧化碳高，45.25 ppm（高高限 40 ppm）\n"
        "位置：示范化工园区 / 某金属厂 / 铸造车间\n"
        "起始：2026-03-01 16:00:00\n"
        "时间：2026-03-01 16:00:00\n"
        "状态：未确认\n"
        "处置：撤离并通风\n"
        "查看：http://c/?alarm=1"
    )


def test_the_same_in_english() -> None:
    desk = Desk()
    desk.say(change(2, 1, value=45.25))
    told = message(deliver(desk.notices[0], remark=Text("", "This may be a repetition.")), "en")
    assert told.body == (
        "[RED tier 1] ALARM: CO at furnace 1 is high, 45.25 ppm (high-high limit 40 ppm)\n"
        "Where: Demo chemical park / Metal works / Foundry\n"
        "Since: 2026-03-01 16:00:00\n"
        "Time: 2026-03-01 16:00:00\n"
        "State: not acknowledged\n"
        "Do: Evacuate and ventilate\n"
        "Note: This may be a repetition."
    )
    assert told.title == told.body.split("\n", 1)[0]


def test_the_end_names_the_peak_and_who_acknowledged() -> None:
    desk = Desk()
    desk.say(change(2, 1, value=80.0))
    desk.acknowledge(desk.alarm)
    desk.say(change(0, 2, value=12.0), after_s=60)
    notice = Notice(
        id="n", channel="c", recipient="", reason=Change.RETURN, tier=1, due_ns=START + MINUTE, alarm=desk.alarm
    )
    told = message(deliver(notice), "zh")
    assert told.title == "【红色1级】恢复正常：1号炉一氧化碳高，12 ppm（限值 40 ppm）"
    assert "峰值：80 ppm" in told.body
    assert "状态：正常（wang 2026-03-01 16:00:00）" in told.body


@pytest.mark.parametrize(
    ("what", "value", "title"),
    [
        ("risk 60.9, orange", 60.8824, "risk 60.9, orange, limit 40"),
        ("about 0.042 g/s", 0.0424769, "about 0.042 g/s, limit 40"),
        ("CO at furnace 1", 1.2, "CO at furnace 1, 1.2 (limit 40)"),
        ("3 detectors of 16", 3.0, "3 detectors of 16, limit 40"),
    ],
)
def test_a_rounded_value_in_the_text_is_enough_and_what_has_no_dimension_no_unit(
    what: str, value: float, title: str
) -> None:
    desk = Desk()
    desk.say(replace(change(2, 1, value=value), text=Text("", what), unit="1", level_name="orange"))
    assert message(deliver(desk.notices[0]), "en").title == f"[RED tier 1] ALARM: {title}"


def test_a_value_that_the_text_says_is_not_said_again() -> None:
    desk = Desk()
    desk.say(change(2, 1, value=80.0))
    desk.say(change(0, 2, value=12.0), after_s=60)
    alarm = replace(desk.alarm, text=Text("1号炉 12 ppm，已恢复正常", "Furnace 1 12 ppm, back to normal"))
    notice = Notice(id="n", channel="c", recipient="", reason=Change.RETURN, tier=1, due_ns=START + MINUTE, alarm=alarm)
    assert message(deliver(notice), "zh").title == "【红色1级】恢复正常：1号炉 12 ppm，已恢复正常，限值 40 ppm"
    assert message(deliver(notice), "en").title.endswith(": Furnace 1 12 ppm, back to normal, limit 40 ppm")


def test_over_range_a_drill_and_a_fault_without_a_value() -> None:
    desk = Desk()
    desk.say(change(2, 1))
    over = type(desk.alarm)
    alarm = over(**{f: getattr(desk.alarm, f) for f in desk.alarm.__struct_fields__} | {"value": None, "quality": 65})
    assert alarm.quality == Quality.OVER_RANGE
    notice = Notice(
        id="n", channel="c", recipient="", reason=Change.RAISE, tier=1, due_ns=START, alarm=alarm, drill=True
    )
    assert message(deliver(notice), "zh").title == "【演练·红色1级】报警：1号炉一氧化碳高，超量程（高高限 40 ppm）"
    assert message(deliver(notice), "en").title.startswith("[DRILL RED tier 1] ALARM: CO at furnace 1 is high, over r")
    desk.say(change(1, 2, subject="X", side=Side.FAULT, alarm_class=AlarmClass.INSTRUMENT, tier=4))
    assert "limit" not in message(deliver(desk.notices[-1]), "en").title


def test_a_chain_fault_is_marked_as_one() -> None:
    news = ChainNews(fault=ChainFault.LOG, raised=True, silent_s=21.0, since_ns=START)
    told = message(deliver(chain_notice(news, "alarm@a", START, "*")), "zh")
    assert told.title.startswith("【红色1级】报警链路故障：日志")
    assert "处置：立即以现场仪表" in told.body
    ended = ChainNews(fault=ChainFault.LOG, raised=False, silent_s=0.0, since_ns=START)
    assert "works again" in message(deliver(chain_notice(ended, "alarm@a", START, "*")), "en").title


def test_every_fact_has_a_value_in_both_languages() -> None:
    desk = Desk()
    desk.say(change(1, 1))
    officer = Contact(id="o", name="Wang", phone="138", email="w@x", addresses={"sms": "a1"})
    delivery = Delivery(notice=desk.notices[0], contact=officer, at_ns=START)
    for language in ("zh", "en"):
        told = facts(delivery, language, "sms")
        assert set(told) == set(FACTS)
        assert (told["phone"], told["address"], told["tier"]) == ("138", "a1", "2")
    nobody = facts(deliver(desk.notices[0]), "zh", "sms")
    assert (nobody["phone"], nobody["name"], nobody["colour"]) == ("", "", "橙色")


@pytest.mark.parametrize(
    ("value", "text"),
    [(45.0, "45"), (34.3, "34.3"), (0.1 + 0.2, "0.3"), (1234567.0, "1234567"), (-200.0, "-200"), (1e-9, "1e-09")],
)
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


def test_contacts_hide_what_is_private_and_are_checked_against_the_routes() -> None:
    officer = Contact(id="o", name="Wang", phone="13800138000", email="w@x.cn")
    assert "138" not in repr(officer)
    assert "w@x" not in f"{[officer]}"
    assert Contacts([officer]).get("o") is officer
    assert Contacts([officer]).get("") is None
    problems = check([officer, officer], [Route(id="r", channel="c", recipients=("", "o", "p"))])
    assert [problem.path for problem in problems] == ["contact[o]", "routes[r].recipients"]
