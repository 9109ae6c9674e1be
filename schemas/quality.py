"""One internal quality for every value, mapped from OPC UA, Sparkplug B, HJ 212 and NAMUR NE 107.

The numbers are ordered so that one comparison tells the class, as OPC UA's two top bits do: below 64 good, below 128
uncertain, 128 and above bad. They are stored (int2), so a number never changes its meaning.
"""

from __future__ import annotations

from enum import IntEnum


class Quality(IntEnum):
    GOOD = 0
    MAINTENANCE_REQUIRED = 1  # good, but NE 107 M: wants attention soon
    UNCERTAIN = 64
    OVER_RANGE = 65  # above the measuring range; on a gas point this is an alarm, never a fault
    UNDER_RANGE = 66
    FUNCTION_CHECK = 67  # calibration, inhibit, manual substitute: the value is not the process
    STALE = 68  # last usable value of a lost connection
    BAD = 128
    SENSOR_FAILURE = 129
    NO_COMMUNICATION = 130
    NO_VALUE = 131  # null, NaN, or a configured bad value such as -200
    CONFIGURATION = 132
    OUT_OF_SERVICE = 133


FIRST_UNCERTAIN = 64
FIRST_BAD = 128


def is_good(quality: int) -> bool:
    return quality < FIRST_UNCERTAIN


def is_bad(quality: int) -> bool:
    return quality >= FIRST_BAD


OPC_UA: dict[int, Quality] = {
    0x0000: Quality.GOOD,
    0x0096: Quality.GOOD,  # Good_LocalOverride
    0x0030: Quality.GOOD,  # Good_Clamped
    0x4000: Quality.UNCERTAIN,
    0x408F: Quality.STALE,  # Uncertain_NoCommunicationLastUsableValue
    0x4090: Quality.STALE,  # Uncertain_LastUsableValue
    0x4091: Quality.FUNCTION_CHECK,  # Uncertain_SubstituteValue
    0x4092: Quality.UNCERTAIN,  # Uncertain_InitialValue
    0x4093: Quality.UNCERTAIN,  # Uncertain_SensorNotAccurate
    0x4094: Quality.OVER_RANGE,  # Uncertain_EngineeringUnitsExceeded
    0x4095: Quality.UNCERTAIN,  # Uncertain_SubNormal
    0x4209: Quality.FUNCTION_CHECK,  # Uncertain_SimulatedValue
    0x420A: Quality.FUNCTION_CHECK,  # Uncertain_SensorCalibration
    0x8000: Quality.BAD,
    0x800A: Quality.NO_COMMUNICATION,  # Bad_Timeout
    0x8031: Quality.NO_COMMUNICATION,  # Bad_NoCommunication
    0x8032: Quality.NO_VALUE,  # Bad_WaitingForInitialData
    0x803C: Quality.OVER_RANGE,  # Bad_OutOfRange
    0x8089: Quality.CONFIGURATION,  # Bad_ConfigurationError
    0x808A: Quality.NO_COMMUNICATION,  # Bad_NotConnected
    0x808B: Quality.SENSOR_FAILURE,  # Bad_DeviceFailure
    0x808C: Quality.SENSOR_FAILURE,  # Bad_SensorFailure
    0x808D: Quality.OUT_OF_SERVICE,  # Bad_OutOfService
    0x809B: Quality.NO_VALUE,  # Bad_NoData
    0x809D: Quality.NO_VALUE,  # Bad_DataLost
}
"""Upper 16 bits of an OPC UA StatusCode -> internal quality."""


def from_opc_ua(status: int) -> Quality:
    """Quality of a 32-bit OPC UA StatusCode. Unknown codes fall back on their severity (the top two bits).

    With the high limit bit set (bits 8-9 = 2, valid when bits 10-11 = 1) a value that is not bad counts as over range.
    """
    known = OPC_UA.get(status >> 16)
    severity = status >> 30
    if known is None:
        known = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)[severity & 3]
    if severity < 2 and (status >> 10) & 3 == 1 and (status >> 8) & 3 == 2:
        return Quality.OVER_RANGE
    return known


def from_opc_da(code: int) -> Quality:
    """Quality of an 8-bit classic OPC (DA) code: 192 good, 64-191 uncertain, below 64 bad, 4 configuration error."""
    if not 0 <= code <= 255:
        return Quality.BAD
    detail = code & 0xFC
    named = {
        0x04: Quality.CONFIGURATION,
        0x08: Quality.NO_COMMUNICATION,
        0x0C: Quality.SENSOR_FAILURE,
        0x10: Quality.SENSOR_FAILURE,
        0x14: Quality.STALE,
        0x18: Quality.NO_COMMUNICATION,
        0x1C: Quality.OUT_OF_SERVICE,
        0x44: Quality.STALE,
        0x54: Quality.OVER_RANGE,
    }.get(detail)
    if named is not None:
        return named
    return (Quality.BAD, Quality.UNCERTAIN, Quality.UNCERTAIN, Quality.GOOD)[code >> 6]


SPARKPLUG = {0: Quality.BAD, 192: Quality.GOOD, 500: Quality.STALE}
"""The Sparkplug B 3.0 `Quality` property; a metric without it is good."""

HJ212 = {
    "N": Quality.GOOD,
    "F": Quality.OUT_OF_SERVICE,
    "M": Quality.FUNCTION_CHECK,
    "S": Quality.FUNCTION_CHECK,
    "C": Quality.FUNCTION_CHECK,
    "D": Quality.SENSOR_FAILURE,
    "T": Quality.OVER_RANGE,
    "B": Quality.NO_COMMUNICATION,
}
"""The data flag letters of HJ 212-2017."""

NE107 = {
    "normal": Quality.GOOD,
    "maintenance_required": Quality.MAINTENANCE_REQUIRED,
    "out_of_specification": Quality.UNCERTAIN,
    "function_check": Quality.FUNCTION_CHECK,
    "failure": Quality.SENSOR_FAILURE,
}
"""The status signals of NAMUR NE 107."""
