"""The fields of a revision: what people call them, in which unit they are, and which way is less strict.

A field that is not listed here is told by its own name, and nobody knows which way it goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from hazwatch.revisions.strictness import (
    Judge,
    Strictness,
    fewer_is_less,
    greater_is_less,
    more_is_less,
    neutral,
    selector,
    smaller_is_less,
    unclear,
    unless_given,
    where_given,
)
from schemas.models import ModelInput
from schemas.text import Text

OF_THE_TAG = "tag"
"""The unit of a number that is in its tag's own."""


class Field(NamedTuple):
    """`unit` is that of the number, `OF_THE_TAG` the tag's own, "" none."""

    title: Text
    judge: Judge
    unit: str = ""


def _of(zh: str, en: str, judge: Judge = neutral, unit: str = "") -> Field:
    return Field(Text(zh=zh, en=en), judge, unit)


def _measured_against(old: str, new: str) -> Strictness:
    """The profile that limits are checked against."""
    if old != new and "none" in (old, new):
        return Strictness.LESS if new == "none" else Strictness.STRICTER
    return Strictness.NEUTRAL


TAG: Mapping[str, Field] = {
    "title": _of("名称", "title"),
    "enterprise": _of("企业", "enterprise"),
    "hazard_source": _of("重大危险源", "hazard source"),
    "equipment": _of("设备", "equipment"),
    "measure": _of("测量类型", "measure", unclear),
    "cas": _of("CAS号", "CAS number", unclear),
    "unit": _of("单位", "unit", unclear),
    "range_low": _of("量程下限", "range low", unclear, OF_THE_TAG),
    "range_high": _of("量程上限", "range high", unclear, OF_THE_TAG),
    "resolution": _of("分辨率", "resolution", neutral, OF_THE_TAG),
    "longitude": _of("经度", "longitude"),
    "latitude": _of("纬度", "latitude"),
    "height_m": _of("安装高度", "height", neutral, "m"),
    "x_m": _of("平面x", "x on the plan", neutral, "m"),
    "y_m": _of("平面y", "y on the plan", neutral, "m"),
    "cell": _of("评估单元", "cell"),
    "link": _of("链路", "link"),
    "period_s": _of("采集周期", "period", unclear, "s"),
    "lateness_s": _of("迟到容限", "lateness", smaller_is_less, "s"),
    "stale_s": _of("失联时间", "silence that is a fault", greater_is_less, "s"),
    "bad_values": _of("无效值", "bad values", more_is_less),
    "low_low": _of("低低限", "low-low limit", smaller_is_less, OF_THE_TAG),
    "low": _of("低限", "low limit", smaller_is_less, OF_THE_TAG),
    "high": _of("高限", "high limit", greater_is_less, OF_THE_TAG),
    "high_high": _of("高高限", "high-high limit", greater_is_less, OF_THE_TAG),
    "deadband": _of("回差", "deadband", neutral, OF_THE_TAG),
    "on_delay_s": _of("报警延时", "on-delay", greater_is_less, "s"),
    "off_delay_s": _of("恢复延时", "off-delay", neutral, "s"),
    "profile": _of("限值依据", "set-point profile", _measured_against),
    "limit_reason": _of("放宽理由", "reason of a looser limit"),
    "cause": _of("原因", "cause"),
    "consequence": _of("后果", "consequence"),
    "action": _of("处置措施", "action"),
    "response_s": _of("响应时间", "response time", neutral, "s"),
    "calibration_due": _of("检定到期日", "calibration due"),
}

GAS_LIMITS: Mapping[str, Text] = {
    "high": Text(zh="一级报警值", en="level 1 limit"),
    "high_high": Text(zh="二级报警值", en="level 2 limit"),
}

RULE: Mapping[str, Field] = {
    "kind": _of("类型", "kind", unclear),
    "tags": _of("位号范围", "tags"),
    "measures": _of("测量类型范围", "measures"),
    "tier": _of("级别", "tier"),
    "text": _of("文本", "text"),
    "route": _of("路由类别", "route class", unclear),
    "case": _of("用例", "cases"),
}
"""Which tags lose or gain a rule, and which tiers move, is judged condition by condition (`revisions.effect`)."""

PARAMS: Mapping[str, Judge] = {
    "on_delay_s": where_given(greater_is_less),
    "warn_delay_s": greater_is_less,
    "off_delay_s": neutral,
    "deadband": neutral,
    "clear_share": neutral,
    "release": neutral,
    "stale_s": where_given(greater_is_less),
    "stuck_s": greater_is_less,
    "high": greater_is_less,
    "high_high": greater_is_less,
    "low": smaller_is_less,
    "low_low": smaller_is_less,
    "level_1": greater_is_less,
    "level_2": greater_is_less,
    "rise_per_min": greater_is_less,
    "fall_per_min": greater_is_less,
    "limit": where_given(greater_is_less),
    "action_share": greater_is_less,
    "warn_min": smaller_is_less,
    "horizon_s": smaller_is_less,
    "confidence": greater_is_less,
    "coverage": greater_is_less,
    "alarms_per_month": smaller_is_less,
    "m": greater_is_less,
    "k1": greater_is_less,
    "k2": greater_is_less,
    "ratio": greater_is_less,
    "outside": greater_is_less,
}
"""Parameters of rule kinds by name, where a name means the same in every kind that has it."""

_OF_KIND: Mapping[tuple[str, str], Judge] = {
    ("expression", "high_high"): unclear,
    ("limits_by_state", "n"): greater_is_less,
    ("limits_by_state", "m"): smaller_is_less,
    ("limits_by_state", "high"): unless_given(greater_is_less),
    ("limits_by_state", "high_high"): unless_given(greater_is_less),
    ("limits_by_state", "low"): unless_given(smaller_is_less),
    ("limits_by_state", "low_low"): unless_given(smaller_is_less),
}
"""Those that mean something else there: an expression is text, n of m readings are no m of votes."""


def param(kind: str, name: str) -> Judge:
    """How a parameter of a rule kind is judged."""
    return _OF_KIND.get((kind, name)) or PARAMS.get(name, unclear)


ROUTE: Mapping[str, Field] = {
    "channel": _of("渠道", "channel", unclear),
    "recipients": _of("接收人", "recipients", fewer_is_less),
    "tiers": _of("级别", "tiers", selector),
    "classes": _of("报警类别", "classes", selector),
    "parks": _of("园区", "parks", selector),
    "enterprises": _of("企业", "enterprises", selector),
    "hazard_sources": _of("重大危险源", "hazard sources", selector),
    "route_classes": _of("路由类别", "route classes", selector),
    "on": _of("触发", "on", fewer_is_less),
}

PLACE: Mapping[str, Field] = {
    "name": _of("名称", "name"),
    "district": _of("区县", "district"),
    "town": _of("街镇", "town"),
    "longitude": _of("经度", "longitude"),
    "latitude": _of("纬度", "latitude"),
    "park": _of("园区", "park"),
    "enterprise": _of("企业", "enterprise"),
    "hazard_source": _of("重大危险源", "hazard source"),
    "grade": _of("等级", "grade"),
    "inventory": _of("危险化学品存量", "inventory"),
    "population": _of("500米范围内常住人口", "people within 500 m"),
    "assessed": _of("评估日期", "assessed"),
    "valid_until": _of("有效期至", "valid until"),
    "assessor": _of("评估单位", "assessor"),
    "assessment": _of("评估报告编号", "assessment"),
}
"""What a grade does to tiers is judged condition by condition."""


def _inputs(old: Collection[ModelInput], new: Collection[ModelInput]) -> Strictness:
    """The tags that a model looks at; what is learned of each is told with the rest."""
    return fewer_is_less({one.tag for one in old}, {one.tag for one in new})


MODEL: Mapping[str, Field] = {
    "title": _of("名称", "title"),
    "alarms_per_month": _of("每月误报数", "false alarms per month", smaller_is_less),
    "inputs": _of("输入", "inputs", _inputs),
    "trained_from": _of("训练数据起始", "trained from"),
    "trained_to": _of("训练数据截止", "trained to"),
    "samples": _of("样本数", "samples"),
    "held_out_share": _of("留出期误报占比", "false share of the held-out period"),
}
LEARNED = _of("学得的参数", "what was learned", unclear)
"""All other numbers of a model, told as one by its stamp."""

UNKNOWN = Field(Text(), unclear)
"""A field that this table does not know."""
