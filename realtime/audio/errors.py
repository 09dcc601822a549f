"""What can stand in the way of a voice.

TryAgain (kernel)
    AudioUnavailable    503     signals cannot be passed on now; the call goes on in writing
TooManyRequests (kernel)
    TooManySignals      429     far more than two browsers need to find each other
"""

from kernel.errors import TooManyRequests, TryAgain


class AudioUnavailable(TryAgain):
    code = "AUDIO_UNAVAILABLE"
    message_zh = "暂时无法接通语音，请用文字继续"
    message_en = "Audio is not available now; please go on in writing"


class TooManySignals(TooManyRequests):
    code = "TOO_MANY_SIGNALS"
    message_zh = "语音信令过于频繁，请稍后再试"
    message_en = "Too many audio signals; please wait a moment"
