"""The columns of a tag list: what each is called in Chinese and English, and what stands in it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from schemas.registry import Measure

Kind = Literal["text", "number", "numbers", "measure", "unit", "day"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name (the heading in English), its heading in Chinese, other headings it is known by, its kind."""

    name: str
    zh: str
    aliases: tuple[str, ...] = ()
    kind: Kind = "text"
    help: str = ""


COLUMNS: tuple[Column, ...] = (
    Column("name", "位号", ("tag", "tag name", "bit no", "点位", "测点", "仪表位号"), help="unique in the park"),
    Column("title_zh", "名称", ("title", "中文名称", "描述", "测点名称", "name zh", "description"), help="for people"),
    Column("title_en", "英文名称", ("name en",)),
    Column("enterprise", "企业", ("企业编码", "enterprise id", "company"), help="id from the configuration"),
    Column("hazard_source", "重大危险源", ("危险源", "重大危险源编码", "hazard code"), help="id; may be empty"),
    Column("equipment", "设备", ("设备编码", "equip code"), help="id; may be empty"),
    Column(
        "measure", "类型", ("测量类型", "监测类型", "参数类型", "type"), "measure", "gas, temperature, pressure, ..."
    ),
    Column("cas", "CAS号", ("cas no", "cas number", "气体cas", "监测气体"), help="gases only: 630-08-0 for CO"),
    Column("unit", "单位", ("计量单位", "units"), "unit", "ppm, mg/m3, %LEL, %VOL, °C, kPa, MPa, m, %, m3/h ..."),
    Column("range_low", "量程下限", ("lrv", "low value", "量程低限"), "number"),
    Column("range_high", "量程上限", ("urv", "top value", "量程高限"), "number"),
    Column("resolution", "分辨率", ("精度",), "number"),
    Column("low_low", "低低报", ("低低限", "低低报值", "ll", "low value 01"), "number", "empty: from the profile"),
    Column("low", "低报", ("低限", "低报值", "l", "low value 02"), "number"),
    Column("high", "高报", ("高限", "高报值", "h", "一级报警", "一级报警值", "top value 01"), "number", "gas: level 1"),
    Column(
        "high_high",
        "高高报",
        ("高高限", "高高报值", "hh", "二级报警", "二级报警值", "top value 02"),
        "number",
        "level 2",
    ),
    Column("deadband", "回差", ("死区", "滞后"), "number", "empty: a usual share of the range"),
    Column("on_delay_s", "报警延时", ("延时", "on delay"), "number", "seconds; empty: usual for the type"),
    Column("off_delay_s", "恢复延时", ("消除延时", "off delay"), "number", "seconds"),
    Column("profile", "限值依据", ("限值方案", "set point profile"), help="gb50493, gbz_t223, gb6222, aq3036, none"),
    Column("limit_reason", "放宽理由", ("限值说明", "reason"), help="why a limit is looser than its profile"),
    Column("period_s", "采集周期", ("周期", "period", "scan s"), "number", "seconds between readings; empty: 1"),
    Column("stale_s", "失联时间", ("断线时间", "stale"), "number", "seconds of silence that are a fault"),
    Column("lateness_s", "迟到容限", ("lateness",), "number"),
    Column("bad_values", "无效值", ("坏值", "bad value"), "numbers", "numbers that mean no value: -200"),
    Column("longitude", "经度", ("lon", "lng"), "number", "degrees"),
    Column("latitude", "纬度", ("lat",), "number", "degrees"),
    Column("height_m", "安装高度", ("高度", "height"), "number", "metres above ground"),
    Column("x_m", "平面x", ("x", "坐标x"), "number", "metres on the plan, to the east"),
    Column("y_m", "平面y", ("y", "坐标y"), "number", "metres on the plan, to the north"),
    Column("cell", "评估单元", ("单元",), help="empty: the hazard source, else the enterprise"),
    Column("link", "链路", ("通信链路",), help="empty: ingest"),
    Column("cause_zh", "原因", ("可能原因", "cause")),
    Column("consequence_zh", "后果", ("consequence",)),
    Column("action_zh", "处置措施", ("处置", "措施", "action"), help="what the operator does"),
    Column("cause_en", "英文原因"),
    Column("consequence_en", "英文后果"),
    Column("action_en", "英文处置措施"),
    Column("response_s", "响应时间", ("response",), "number", "seconds that people have"),
    Column(
        "calibration_due",
        "检定到期日",
        ("检定有效期", "校准到期日", "有效期至", "calibration", "calibration due date", "valid until"),
        "day",
        "last day of the calibration: 2027-03-31; empty: not known",
    ),
)
PASSED_OVER = frozenset({"", "序号", "备注", "no", "index", "remark", "remarks", "note", "notes", "comment"})
"""Headings that every spreadsheet has and nobody needs."""

MEASURES: dict[str, Measure] = {m.value: m for m in Measure} | {
    "气体": Measure.GAS,
    "气体浓度": Measure.GAS,
    "浓度": Measure.GAS,
    "可燃气体": Measure.GAS,
    "有毒气体": Measure.GAS,
    "温度": Measure.TEMPERATURE,
    "压力": Measure.PRESSURE,
    "液位": Measure.LEVEL,
    "物位": Measure.LEVEL,
    "流量": Measure.FLOW,
    "风速": Measure.WIND_SPEED,
    "风向": Measure.WIND_DIRECTION,
    "湿度": Measure.HUMIDITY,
    "电流": Measure.CURRENT,
    "状态": Measure.STATE,
    "其他": Measure.OTHER,
    "其它": Measure.OTHER,
}

_BRACKETS = re.compile(r"[(\[（【].*$")
_GLUE = re.compile(r"[\s_\-.:/*]+")


def folded(heading: str) -> str:
    """A heading without case, width, glue characters and what stands in brackets behind it."""
    return _GLUE.sub("", _BRACKETS.sub("", unicodedata.normalize("NFKC", heading).casefold()))


BY_HEADING: dict[str, Column] = {
    folded(heading): column for column in COLUMNS for heading in (column.name, column.zh, *column.aliases)
}
